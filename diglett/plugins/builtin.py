"""The authenticators and registrars that ship; each is imported only when it is chosen."""

from __future__ import annotations

from diglett.extensions import AuthenticatorPlugin, RegistrarPlugin

tokens = AuthenticatorPlugin(
    "tokens",
    "tokens[:FILE]  users and hashed tokens in a TOML file (default: tokens.toml in the state folder)",
    "diglett.auth.tokens.create",
)
anyone = AuthenticatorPlugin("open", "open  anybody, under any name", "diglett.auth.anyone.create")

printer = RegistrarPlugin("print", "print  log names as they come and go", "diglett.registrar.printer.create")
