"""Where plugins are looked for: here, and in every `diglett/plugins` folder on `sys.path`."""

from __future__ import annotations

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
