"""Streamlit's options for a reading room: near-black, the system's own type, nothing called from elsewhere."""

from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
MONOSPACE = 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace'

STREAMLIT_OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.allowedOrigins": [],
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "theme.base": "dark",  # the viewer has a light theme of its own; these pages follow `theme.base`
    "theme.backgroundColor": "#0a0d10",
    "theme.secondaryBackgroundColor": "#11161b",
    "theme.textColor": "#e6ebf0",
    "theme.primaryColor": "#8ec5e8",
    "theme.borderColor": "#27313a",
    "theme.linkColor": "#8ec5e8",
    "theme.font": FONT,
    "theme.headingFont": FONT,
    "theme.codeFont": MONOSPACE,
    "theme.baseRadius": "8px",
    "theme.headingFontWeights": [600, 600, 600],
}
