"""A page taken apart by the standard library's parser."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "hr", "input"}
REFERENCES = ("src", "href", "xlink:href", "action", "data", "poster", "srcset", "background", "formaction")


class Page(HTMLParser):
    """Tags, texts, references and ids; raises if a tag is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.images: list[dict[str, str]] = []
        self.text = ""
        self.styles = ""
        self.feed(html)
        self.close()
        if self.open:
            raise ValueError(f"not closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> at {self.getpos()} closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.styles += data
        else:
            self.text += data

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {key: value or "" for key, value in attrs}
        self.attributes += list(values.items())
        self.ids += [values["id"]] if "id" in values else []
        self.references += [values[key] for key in REFERENCES if key in values]
        if tag == "img":
            self.images.append(values)
