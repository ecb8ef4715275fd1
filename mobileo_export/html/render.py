"""Pages from templates: each is one HTML file that loads and runs nothing from elsewhere.

A template lies beside the code that fills it, and extends ``html/page.html``.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export.errors import printable
from mobileo_export.html import text

if TYPE_CHECKING:
    import numpy as np
    from jinja2 import Environment
    from markupsafe import Markup
    from numpy.typing import NDArray

_PACKAGE = Path(__file__).parents[1]
_PARTS = re.compile(r"(?<=[_/])|(?<=\D\.)|(?<=\.)(?=\D)")  # not within a number
_LARGEST_PNG = 300_000  # noise does not compress; what is larger is shown as JPEG


def render(template: str, values: Mapping[str, Any], names: Mapping[str, Any]) -> str:
    """The page. The same values give the same text.

    Args:
        template: its path in the package.
        values: what it says. Texts are escaped, and what does not print is spelled out.
        names: functions and constants, for the templates that it imports too.

    Raises:
        ModuleNotFoundError: Jinja is not installed; see :data:`processes.extras.PAGES`.
    """
    return environment(names).get_template(template).render(values)


def environment(names: Mapping[str, Any]) -> Environment:
    """Where templates are found, what they may call, and the style sheet."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=FileSystemLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else printable(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions = (
        *(text.name, text.number, text.scientific, text.figure, text.seconds),
        *(breakable, data_uri),
    )
    found.filters.update({function.__name__: function for function in functions})
    style = (_PACKAGE / "html" / "style.css").read_text(encoding="utf-8")
    found.globals.update(names, plural=text.plural, style=Markup(style))
    return found


def breakable(value: object) -> Markup:
    """A path or dotted name that may go on in the next line after each of its parts."""
    from markupsafe import Markup

    return Markup("<wbr>").join(_PARTS.split(printable(str(value))))


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """[H, W, 3] as a PNG, or as a JPEG of high quality where that would be large."""
    from PIL import Image

    picture, data, kind = Image.fromarray(pixels), io.BytesIO(), "png"
    picture.save(data, "PNG", optimize=True)
    if data.tell() > _LARGEST_PNG:
        data, kind = io.BytesIO(), "jpeg"
        picture.save(data, "JPEG", quality=92, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
