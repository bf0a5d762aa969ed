"""The authenticators and registrars that ship; each is imported only when it is chosen."""

from __future__ import annotations

from diglett.extensions import AuthenticatorPlugin, RegistrarPlugin

tokens = AuthenticatorPlugin(
    "tokens",
    "tokens[:FILE]  users and hashed tokens in a TOML file (default: tokens.toml in the state folder)",
    "diglett.auth.tokens.create",
)
anyone = AuthenticatorPlugin("open", "open  anybody, under any name", "diglett.auth.anyone.create")
htpasswd = AuthenticatorPlugin(
    "htpasswd",
    "htpasswd:FILE[,names=GLOB]  USER:PASSWORD is the token; bcrypt hashes (htpasswd -B)",
    "diglett.auth.htpasswd.create",
    extra="htpasswd",
)
asker = AuthenticatorPlugin(
    "webhook",
    "webhook:URL[,secret-file=FILE]  a program of yours is asked, in JSON over HTTP",
    "diglett.auth.webhook.create",
)
jwt = AuthenticatorPlugin(
    "jwt",
    "jwt:FILE-or-URL,audience=NAME[,issuer=NAME]  signed tokens (EdDSA, ES256, RS256)",
    "diglett.auth.jsontokens.create",
    extra="jwt",
)
certificate = AuthenticatorPlugin(
    "certificate",
    "certificate:CAFILE[,names=GLOB]  the name in the agent's client certificate is the account",
    "diglett.auth.certificate.create",
)

printer = RegistrarPlugin("print", "print  log names as they come and go", "diglett.registrar.printer.create")
traefikFile = RegistrarPlugin(
    "traefik-file",
    "traefik-file:DIR[,entrypoint=NAME][,probe=URL]  a file for Traefik's file provider",
    "diglett.registrar.traefikfile.create",
)
traefikHttp = RegistrarPlugin(
    "traefik-http",
    "traefik-http:PORT[,secret-file=FILE][,entrypoint=NAME][,probe=URL]  serve Traefik's HTTP provider",
    "diglett.registrar.traefikhttp.create",
)
unixSockets = RegistrarPlugin(
    "unix",
    "unix:DIR[,mode=660][,group=NAME][,probe=URL]  a socket per name, for Caddy or nginx",
    "diglett.registrar.unixsockets.create",
)
caddy = RegistrarPlugin(
    "caddy",
    "caddy:ADMIN[,server=NAME][,probe=URL]  routes by Caddy's admin API (HOST:PORT or unix//PATH)",
    "diglett.registrar.caddy.create",
)
traefikRedis = RegistrarPlugin(
    "traefik-redis",
    "traefik-redis:redis://HOST:6379[,ttl=SECONDS][,probe=URL]  leased routes in Redis, for several gateways",
    "diglett.registrar.redis.create",
    extra="redis",
)
traefikEtcd = RegistrarPlugin(
    "traefik-etcd",
    "traefik-etcd:http://HOST:2379[,ttl=SECONDS][,probe=URL]  leased routes in etcd, for several gateways",
    "diglett.registrar.etcd.create",
)
haproxy = RegistrarPlugin(
    "haproxy",
    "haproxy:SOCKET,map=FILE[,sni-map=FILE][,probe=URL]  map entries by HAProxy's runtime API",
    "diglett.registrar.haproxy.create",
)
nginx = RegistrarPlugin(
    "nginx",
    "nginx:MAPFILE[,sni-map=FILE][,reload=COMMAND][,probe=URL]  a map file for nginx, and reloads",
    "diglett.registrar.nginx.create",
)
notifier = RegistrarPlugin(
    "webhook",
    "webhook:URL[,secret-file=FILE]  tell a web service of yours, in signed JSON",
    "diglett.registrar.webhook.create",
)
program = RegistrarPlugin(
    "exec",
    "exec:PROGRAM ARGUMENT...  run a program of yours, with JSON on its input",
    "diglett.registrar.program.create",
)
