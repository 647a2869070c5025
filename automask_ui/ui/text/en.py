"""English texts of the page. Those of parameters, presets and formats come from their own tables."""

from __future__ import annotations

from automask_ui.export import EXPORTERS
from automask_ui.models.registry import BUILT_IN_MODEL, CHECKPOINTS
from automask_ui.options import PARAMETERS, PRESETS

__all__ = ["EN"]

EN: dict[str, str] = {
    # Header and photo
    "photo": "Photo",
    "photo.address": (
        "Your browser gets no picture from that address: its site does not let this page read it, has none there, or "
        "does not answer. Save the picture (right click, Save image as…) and drop the file, or copy it and paste it "
        "here."
    ),
    "photo.address.page": (
        "That is the address of a page, not of a picture. Open it and drag the picture itself, or save the picture "
        "(right click, Save image as…) and drop the file."
    ),
    "photo.address.busy": "Your browser is fetching the picture…",
    "photo.drop": "Drop a photo here, click to choose one, or paste it",
    "files": "Several photos, or work that was downloaded",
    "samples": "Sample photos",
    "sample.open": "Open the sample photo {name}",
    "recent": "Recent",
    "recent.open": "Go on with {name}: {masks:,} masks",
    "recent.open.one": "Go on with {name}: {masks:,} mask",
    # Model and presets
    "model": "Model",
    "model.here": "Ready here",
    "model.info": "{good_for}. Runs on {device}.",
    "model.unloaded": "{good_for}. It is loaded at the first run, whose time is then the measure.",
    "model.finer": "For finer masks choose {small} or {larger}, fetched once.",
    "model.download": ("{good_for}. Not on this machine yet. {size} Nothing changes until it is here."),
    "model.size": "{size}, {licence}, about {time} at 100 Mbit/s.",
    "model.run": "A run takes about {time} here.",
    "model.run.judged": "A run takes about {time} here, judged by {model}.",
    "model.failed": "This model could not be had. {why}",
    "model.choice": "↓ {size}",
    "model.choice.time": "~{time}",
    "model.fetch": "Fetch",
    "model.file": "I have the file…",
    "uncompared.title": "Checksum not compared",
    "uncompared": (
        "Only the Hugging Face hub knows the checksum of {model}, and cannot be asked now. The file holds a model of "
        "that kind and is used, but whether it is the published one is not known."
    ),
    "not_taken.title": "This file was not taken",
    "stranger": "The server has lost sight of this page, so a reload brings back what was there before, not what you "
    "do now. Download this, then reload the page.",
    "stranger.title": "Not kept any more",
    "unkept": "After a reload this work will not be here as it is now. {why}",
    "unkept.title": "Too large to be kept",
    "found_with": "{model} · {preset}",
    "preset": "Preset",
    "preset.custom": "Custom",
    "preset.custom.help": "Your own settings. Choose another preset to go back.",
    # Groups of parameters
    "group.all": "All settings",
    "group.look": "Where to look",
    "group.look.note": "Takes effect at the next run; a picture that was read once is not read again.",
    "group.keep": "What to keep",
    "group.show": "Show only",
    "group.show.note": "Hides masks from view and from downloads, and loses none. Not one of SAM's own settings.",
    "points": "Points of your own",
    "points.info": (
        "point_grids · one x, y a line, from 0 to 1; a blank line starts the next zoom level. Replaces the grid."
    ),
    "points.file": "Open a file…",
    "show.smallest": "Smallest area",
    "show.largest": "Largest area",
    "show.limit": "0: no limit",
    "show.unit": "Area in",
    "show.unit.percent": "% of the picture",
    "show.covering": "Hide what covers more than",
    "show.covering.info": "Percent of the picture; 100 hides nothing",
    # Run
    "find": "Find masks",
    "stop": "Stop",
    "forecast.points": "{points:,} points",
    "forecast.points.one": "{points:,} point",
    "forecast.crops": "{points:,} points in {crops:,} crops",
    "forecast.time": "about {time}",
    "forecast.judged": "about {time}, judged by {model}",
    "forecast.pending": "Waits for Find masks: {what}",
    "candidates": "{passing:,} of {all:,} candidates pass",
    "candidates.unknown": "Taken up without candidates: moving a slider has the model find them again",
    "candidates.none": "No candidates yet: press Find masks",
    # Time
    "seconds": "{n} s",
    "minutes": "{n} min",
    # Status line
    "status.start": "Drop a photo to begin, or try a sample.",
    "status.sample": "This sample is already done: point at things, move a slider, or drop your own photo.",
    "status.preparing": "Preparing the sample photo…",
    "status.no_sample": "The sample could not be prepared. {why}",
    "status.opened": "{name}, {width:,} × {height:,} px. Press Find masks.",
    "status.waiting": "Waiting for a turn…",
    "status.begin": "Starting…",
    "status.failed": "That did not work. Nothing was changed.",
    "status.failed.kept": "That did not work. The last result is still here: {masks:,} masks.",
    "status.failed.kept.one": "That did not work. The last result is still here: {masks:,} mask.",
    "status.fetch": "Fetching the model: {done:,.0f} of {total:,.0f} MB",
    "status.load": "Loading {model}…",
    "status.encode": "Reading the picture (cannot be interrupted)",
    "status.encode.time": "Reading the picture (cannot be interrupted), about {time}",
    "status.decode": "{done:,} of {total:,} points, {masks:,} masks found",
    "status.decode.one": "{done:,} of {total:,} points, {masks:,} mask found",
    "status.left": "{time} left",
    "status.clean": "Cleaning up {masks:,} masks",
    "status.clean.one": "Cleaning up {masks:,} mask",
    "status.done": "{masks:,} masks in {time}",
    "status.done.one": "{masks:,} mask in {time}",
    "status.stopping": "Stopping after this step…",
    "status.stopped": "Stopped after {done:,} of {total:,} points: {masks:,} masks so far",
    "status.stopped.one": "Stopped after {done:,} of {total:,} points: {masks:,} mask so far",
    "status.stopped.none": "Stopped before any point was looked at.",
    "status.masks": "{masks:,} masks",
    "status.masks.one": "{masks:,} mask",
    "status.more": "{n:,} more",
    "status.fewer": "{n:,} fewer",
    "status.same": "no change",
    "status.busy": "The new settings apply when this run ends.",
    "status.chosen": "Chosen. These masks stay as they are until you press Find masks.",
    "status.model_missing": "{model} is not on this machine yet: fetch it, or hand in its file, beside its name.",
    "status.exporting": "Writing the file and reading it back…",
    # What a download holds
    "proof.exact.mask": "{masks:,} masks, all exact.",
    "proof.exact.mask.one": "{masks:,} mask, exact.",
    "proof.exact.row": "{masks:,} rows, all exact.",
    "proof.exact.row.one": "{masks:,} row, exact.",
    "proof.exact.overlay": "{masks:,} overlays written.",
    "proof.exact.overlay.one": "{masks:,} overlay written.",
    "proof.some": "{masks:,} masks: {exact:,} exact",
    "proof.some.one": "{masks:,} mask: {exact:,} exact",
    "proof.changed": "{n:,} changed (worst IoU {iou})",
    "proof.lost": "{n:,} hidden altogether",
    "proof.merged": "{n:,} the same as another",
    "proof.reader": "Read back with {reader}.",
    "proof.unlabelled": "{masks:,} masks without a label are in the class “object”.",
    "proof.unlabelled.one": "{masks:,} mask without a label is in the class “object”.",
    "status.points": "{points:,} points of your own: press Find masks.",
    "status.points.one": "{points:,} point of your own: press Find masks.",
    "status.everywhere": "The next run looks everywhere.",
    "status.region_gone": "Nothing is left of what you drew: the next run looks everywhere.",
    "status.no_grid_point": "No point of the grid lies there: the next run looks everywhere. A denser grid can help.",
    # What people want with a file
    "purpose.train": "To train on",
    "purpose.correct": "To correct elsewhere",
    "purpose.measure": "To measure",
    "purpose.look": "To look at",
    "purpose.script": "For scripts",
    # Several pictures
    "list.title": "Several pictures",
    "list.start": "Find masks in all",
    "list.stop": "Stop",
    "list.format": "Format",
    "list.save": "Download all",
    "list.negatives": "With pictures without masks",
    "list.negatives.hint": "As examples in which nothing is to be found, for training",
    "list.negatives.in": "{pictures:,} pictures without masks are in it.",
    "list.negatives.in.one": "{pictures:,} picture without masks is in it.",
    "list.close": "Close this list",
    "list.close.sure": "Close this list? Its masks and labels go with it: download it first to keep them.",
    "list.open": "Open {name}",
    "list.remove": "Take {name} out of the list",
    "list.masks": "{masks:,} masks",
    "list.masks.one": "{masks:,} mask",
    "list.left": "{pictures:,} pictures are in the list.",
    "list.left.one": "{pictures:,} picture is in the list.",
    "list.state.waiting": "waiting",
    "list.state.running": "at work",
    "list.state.done": "done",
    "list.state.edited": "edited",
    "list.state.failed": "failed",
    "list.taken": "{pictures:,} pictures, to be looked at with the settings as they are. Click one to open it.",
    "list.taken.one": "{pictures:,} picture, to be looked at with the settings as they are. Click it to open it.",
    "list.others": "{files:,} files that are no pictures are left out.",
    "list.others.one": "{files:,} file that is no picture is left out.",
    "list.progress": "{done:,} of {total:,} pictures",
    "list.points": "{name}: {done:,} of {total:,} points",
    "list.opened": "{name}: {masks:,} masks.",
    "list.opened.one": "{name}: {masks:,} mask.",
    "list.stopped": "The list could not be finished; what is done is kept.",
    "list.failed": "{n:,} failed",
    "list.nothing": "All of them have been looked at with these settings, or edited since.",
    "list.left_out": "{pictures:,} pictures that wait or failed are not in it.",
    "list.left_out.one": "{pictures:,} picture that waits or failed is not in it.",
    "list.back": "{pictures:,} pictures are back: {masks}.",
    "list.back.one": "{pictures:,} picture is back: {masks}.",
    "list.added": "{pictures:,} more are waiting.",
    "list.added.one": "{pictures:,} more is waiting.",
    "list.missing": "{pictures:,} are left out, since their photos were not there: {names}.",
    "list.missing.one": "{pictures:,} is left out, since its photo was not there: {names}.",
    "list.photos": "Now drop its {pictures:,} photos: {names}.",
    "list.photos.one": "Now drop its photo: {names}.",
    # Work taken up again
    "restore.done": "{name} is back as you left it: {masks:,} masks.",
    "restore.done.one": "{name} is back as you left it: {masks:,} mask.",
    "restore.sliders": "Moving a slider has the model look at the picture once more.",
    "restore.partial": "The run was not finished: Continue looks at the whole picture again.",
    "restore.no_model": "Its model {model} is not here: edit and download as you like, or press Find masks for others.",
    "restore.photo": "Now drop its photo, {name} ({width:,} × {height:,} px).",
    # Nothing found
    "empty.none": "0 of {all:,} candidates pass.",
    "empty.threshold": "{n:,} fall to {title} {value:g}: lower it?",
    "empty.edge": "{n:,} are cut off by the edge of a crop: raise {title}?",
    "empty.other": "Try another preset.",
    "empty.show": "All {all:,} masks are hidden by Show only: widen it?",
    "suggest.lower": "Lower {title} to {value:g}",
    "suggest.lower_all": "Lower {title} to {value:g}: up to {most:,} masks",
    "suggest.lower_all.one": "Lower {title} to {value:g}: one mask at most",
    # A place without a mask
    "why.unknown": "Why there is no mask here is known once a slider has been moved.",
    "why.none": "No candidate covers this place. A denser grid may find one.",
    "why.kept": "A mask here is hidden by Show only.",
    "why.dropped": "A mask here has {score:.2f} and falls to {title} {value:g}: lower it?",
    "why.duplicate": "A mask here was taken for a double of a better one: raise {title} {value:g}?",
    "why.edge": "A mask here is cut off by the edge of a crop: raise {title}?",
    "why.near": "The best candidate around here has {score:.2f} and falls to {title} {value:g}: lower it?",
    # Errors
    "error.unexpected": "Something went wrong on our side; the last result is still there. Try again.",
    "error.memory": "The server ran out of memory; the last result is still there. Try a smaller photo or model.",
    "error.disk": "The server's disk is full; the last result is still there. Try again later.",
    "error.title": "That did not work",
    "error.close": "Close this message",
    "warning.title": "Please note",
    # About
    "about": "About this program",
    "about.note": "For a report of a fault: copy these lines into it.",
    # Other controls
    "download": "Download",
    "viewer": "Picture and masks",
    "status": "Status",
}

EN.update({f"parameter.{row.field}": row.title for row in PARAMETERS.values()})
EN.update({f"parameter.{row.field}.help": row.help for row in PARAMETERS.values()})
EN.update({f"preset.{row.name}": row.title for row in PRESETS.values()})
EN.update({f"preset.{row.name}.help": row.description for row in PRESETS.values()})
EN.update({f"model.{name}.title": CHECKPOINTS[name].title for name in (BUILT_IN_MODEL,)})
EN.update({f"model.{row.name}.good_for": row.good_for for row in CHECKPOINTS.values()})
EN.update({f"format.{row.name}": row.title for row in EXPORTERS.values()})
EN.update({f"format.{row.name}.hint": row.hint for row in EXPORTERS.values()})
EN.update({f"format.{row.name}.loses": row.loses for row in EXPORTERS.values() if row.loses})
