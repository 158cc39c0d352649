from shuishan.model.status import Report


def render_text(report: Report, language: str, width: int, *, colour: bool = False) -> str:
    return ""
