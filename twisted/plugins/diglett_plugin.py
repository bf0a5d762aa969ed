"""
What `twistd` shows as `diglett-server`.

Every run of twistd and trial may load this file, so it imports nothing of ours.
"""

from twisted.application.service import ServiceMaker

diglettServer = ServiceMaker(
    "diglett gateway",
    "diglett.tap",
    "Publish the tunnels of diglett agents under your own domain.",
    "diglett-server",
)
