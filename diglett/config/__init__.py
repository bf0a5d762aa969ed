"""What the programs were told: frozen values from the command line, the environment and TOML."""

from __future__ import annotations

from diglett.config.address import Address, parseAddress
from diglett.config.agent import AgentConfig, agentConfig
from diglett.config.backend import Backend, parseBackend
from diglett.config.demo import DemoOptions
from diglett.config.gateway import GatewayConfig, gatewayConfig
from diglett.config.token import TokenSource
from diglett.config.tunnel import TunnelConfig

__all__ = [
    "Address",
    "AgentConfig",
    "Backend",
    "DemoOptions",
    "GatewayConfig",
    "TokenSource",
    "TunnelConfig",
    "agentConfig",
    "gatewayConfig",
    "parseAddress",
    "parseBackend",
]
