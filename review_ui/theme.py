"""Streamlit's options for a reading room: near-black, system fonts, nothing loaded from elsewhere.

Both themes are configured; static/theme.js chooses one for a device, so that Streamlit never follows the system.
"""

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
    "runner.postScriptGC": False,  # a full collection after every run of a page held all others for 0.15 s
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "theme.dark.backgroundColor": "#0a0d10",
    "theme.dark.secondaryBackgroundColor": "#11161b",
    "theme.dark.textColor": "#e6ebf0",
    "theme.dark.primaryColor": "#8ec5e8",
    "theme.dark.borderColor": "#27313a",
    "theme.dark.linkColor": "#8ec5e8",
    "theme.light.backgroundColor": "#fbfcfd",
    "theme.light.secondaryBackgroundColor": "#eef2f5",
    "theme.light.textColor": "#16202a",
    "theme.light.primaryColor": "#1f6a99",
    "theme.light.borderColor": "#cfd8df",
    "theme.light.linkColor": "#1f6a99",
    "theme.font": FONT,
    "theme.headingFont": FONT,
    "theme.codeFont": MONOSPACE,
    "theme.baseRadius": "8px",
    "theme.headingFontWeights": [600, 600, 600],
}
