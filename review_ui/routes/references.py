"""The routes of the reference panel: real training images for a worklist, and their pixels."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from curation.errors import NotFound
from curation.project import REFERENCES_KEY, Project
from curation.provenance.withdrawn import newest_withdrawal
from curation.reading.reference_panel import PanelImage, check_may_see_references, choose_references
from review_ui.security.guard import READER_KEY
from review_ui.security.sessions import SignedInReader

NO_REFERENCE = "there is no reference image with this key."


class ReferenceRoutes:
    """The routes, for readers of the worklist; the choice of images is kept until a subject is withdrawn."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.chosen: dict[tuple[int, int], dict[str, PanelImage]] = {}

    def list(self, request: Request) -> Response:
        """List the keys of the images by class."""
        classes: dict[str, list[str]] = {}
        for reference in self._chosen(request, request.path_params["worklist_id"]).values():
            classes.setdefault(reference.label, []).append(reference.key)
        return JSONResponse({"classes": classes})

    def pixels(self, request: Request) -> Response:
        """Send raw little-endian values, with shape and depth in headers."""
        worklist, _, tag = request.path_params["key"].partition("-")
        if not (worklist.isascii() and worklist.isdecimal() and len(worklist) <= 18 and tag):
            raise NotFound(NO_REFERENCE)
        reference = self._chosen(request, int(worklist)).get(request.path_params["key"])
        if reference is None:
            raise NotFound(NO_REFERENCE)
        pixels = self.project.store.pixels(reference.file_sha256)
        content = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
        headers = {"X-Rounds-Shape": ",".join(map(str, reference.shape)), "X-Rounds-Bits": str(reference.bits)}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def _chosen(self, request: Request, worklist_id: int) -> dict[str, PanelImage]:
        reader: SignedInReader = request.scope[READER_KEY]
        with self.project.database.read() as session:
            worklist = check_may_see_references(session, worklist_id, reader.reader_id)
            kept = (worklist_id, newest_withdrawal(session))
            if kept not in self.chosen:
                references = choose_references(session, self.project.secret(REFERENCES_KEY), worklist)
                self.chosen[kept] = {reference.key: reference for reference in references}
        return self.chosen[kept]
