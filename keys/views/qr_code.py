"""Draw a QR code as SVG that the Content-Security-Policy allows: one path, without style and script."""

from __future__ import annotations

import qrcode
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables

BORDER = 4
"""Light modules around the code, which readers need."""


@sensitive_variables()
def qr_code(text: str) -> SafeString:
    """Return ``text`` as an ``<svg>`` of one path, dark on light in both themes."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0)
    code.add_data(text)
    code.make(fit=True)
    rows = code.get_matrix()
    size = len(rows) + 2 * BORDER
    dark = (
        f"M{x + BORDER} {y + BORDER}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return format_html(
        '<svg class="qr" role="img" aria-label="The secret, to scan with a camera" viewBox="0 0 {} {}" '
        'shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/>'
        '<path d="{}" fill="#000"/></svg>',
        size,
        size,
        "".join(dark),
    )
