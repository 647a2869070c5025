"""A visitor of the page over plain HTTP: what the browser sends, and whatever else one might send instead."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx


class RefusedError(Exception):
    """The page's answer was an error; the message is what the visitor reads."""


class Visitor:
    """One tab, from its opening to its close."""

    def __init__(self, url: str) -> None:
        self.tab = uuid.uuid4().hex[:12]  # as Gradio tells them apart
        self.http = httpx.Client(base_url=url.rstrip("/"), timeout=120)
        config = self.http.get("/config").json()
        self.events = {row["api_name"]: row for row in config["dependencies"]}
        self._components = {row["id"]: row["props"] for row in config["components"]}
        self.session = ""
        self._open = ExitStack()
        # What keeps the tab's work on the server, as in the browser.
        self._open.enter_context(self.http.stream("GET", f"/gradio_api/heartbeat/{self.tab}"))

    def close(self) -> None:
        """Leave, like a tab that is closed: every connection ends."""
        self._open.close()
        self.http.close()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def upload(self, photo: Path) -> dict[str, Any]:
        """Put a file where the page takes it from; gives what an event is told of it."""
        with photo.open("rb") as file:
            answer = self.http.post("/gradio_api/upload", files={"files": (photo.name, file)})
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}

    def open(self, photo: Path) -> dict[str, Any]:
        """Open a photo; gives the viewer's data."""
        return self._seen("open_photo", self.ask("open_photo", [self.upload(photo)]))

    def find(self, **controls: Any) -> dict[str, Any]:
        """Find masks to the end; gives the viewer's data."""
        *_, last = self.finding(**controls)
        return self._seen("find", last)

    def finding(self, **controls: Any) -> Iterator[list[Any]]:
        """Find masks: the outputs of every update, the last of them complete."""
        self.ask("begin")
        yield from self.stream("find", self.values("find", controls))

    def values(self, event: str, controls: dict[str, Any]) -> list[Any]:
        """The inputs of an event: the page's own values, with ``controls`` (by elem_id) in their place."""
        inputs = [self._components[number] for number in self.events[event]["inputs"]]
        return [controls.get(props.get("elem_id", ""), props.get("value")) for props in inputs]

    def ask(self, event: str, data: list[Any] | None = None, payload: Any = None) -> list[Any]:
        """One event to its end; gives its outputs."""
        *_, last = self.stream(event, data or [], payload)
        return last

    def stream(self, event: str, data: list[Any], payload: Any = None) -> Iterator[list[Any]]:
        """One event; its outputs as they come: later ones may be changes only, but the last is complete."""
        body = {
            "data": data,
            "fn_index": self.events[event]["id"],
            "session_hash": self.tab,
            "event_data": payload,
            "trigger_id": None,
        }
        # As a browser sends it, but for numbers that JSON does not know: a fuzzer has those, too.
        headers = {"Content-Type": "application/json"}
        joined = self.http.post("/gradio_api/queue/join", content=json.dumps(body), headers=headers)
        if joined.status_code != 200:
            raise RefusedError(joined.text)
        number = joined.json()["event_id"]
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.tab}) as answer:
            for line in answer.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if told.get("event_id") != number or "output" not in told:
                    continue
                if not told["success"]:
                    raise RefusedError(str(told["output"].get("error")))
                yield told["output"]["data"]
                if told["msg"] == "process_completed":
                    return

    def download(self, ids: list[Any], name: str = "coco", **claims: Any) -> tuple[dict[str, Any], str]:
        """Have masks written in format ``name``; gives the file and what is said of it. ``claims`` replace that."""
        outputs = self.ask("prepare", payload={"session": self.session, "ids": ids, "format": name, **claims})
        line = self.output("prepare", "status", outputs)
        if line["kind"] == "error":
            raise RefusedError(line["text"])
        return self.output("prepare", "download", outputs), line["text"]

    def get(self, file: dict[str, Any]) -> bytes:
        """The content of a file of the answer."""
        answer = self.http.get(f"/gradio_api/file={file['path']}")
        answer.raise_for_status()
        return answer.content

    def output(self, event: str, name: str, outputs: list[Any]) -> Any:
        """What the component ``name`` (its elem_id) is given by the outputs of an event."""
        names = [self._components[number].get("elem_id") for number in self.events[event]["outputs"]]
        return _unfolded(outputs[names.index(name)])

    def _seen(self, event: str, outputs: list[Any]) -> dict[str, Any]:
        view: dict[str, Any] = self.output(event, "viewer", outputs)
        self.session = view["session"]
        return view


def _unfolded(output: Any) -> Any:
    """An output as the viewer reads it: all but the photo comes to it as one text."""
    if not isinstance(output, dict):
        return output
    if "rest" in output:
        return {"image": output["image"], **json.loads(output["rest"])}
    return {**output, "value": _unfolded(output["value"])} if "value" in output else output


@contextmanager
def working(url: str, photo: Path) -> Iterator[Visitor]:
    """A visitor with masks in ``photo``."""
    with Visitor(url) as visitor:
        visitor.open(photo)
        visitor.find(model="bright", points_per_side=4)
        yield visitor
