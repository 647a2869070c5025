/** The data that Python and the viewer exchange, and what modules ask of each other. Only the type checker reads this. */

import type { createColours } from "./model/colours.js";
import type { createDraft } from "./model/draft.js";
import type { createEdits } from "./model/edits.js";
import type { createLanguage } from "./model/language.js";
import type { createListing } from "./model/listing.js";
import type { createLook } from "./model/look.js";
import type { createPicture } from "./model/picture.js";
import type { createPrompt } from "./model/prompt.js";
import type { createSelection } from "./model/selection.js";
import type { createSignals } from "./model/signals.js";
import type { createViewport } from "./model/viewport.js";
import type { createDom } from "./dom.js";
import type { createPopups } from "./popups.js";
import type { createCommands } from "./editing/commands.js";
import type { createLabelField } from "./editing/label_field.js";
import type { createScope } from "./download/scope.js";
import type { createNotes } from "./picture/notes.js";
import type { createNotices } from "./picture/notices.js";
import type { createTable } from "./table/table.js";
import type { createShapeCommands } from "./editing/shape_commands.js";
import type { createToolbox } from "./tools/toolbox.js";

// Read-only for all but the module that makes it: one owner for each piece of state.
export type Colours = Readonly<ReturnType<typeof createColours>>;
export type Commands = Readonly<ReturnType<typeof createCommands>>;
export type Dom = Readonly<ReturnType<typeof createDom>>;
export type Draft = Readonly<ReturnType<typeof createDraft>>;
export type Edits = Readonly<ReturnType<typeof createEdits>>;
export type LabelField = Readonly<ReturnType<typeof createLabelField>>;
export type Language = Readonly<ReturnType<typeof createLanguage>>;
export type Listing = Readonly<ReturnType<typeof createListing>>;
export type Look = Readonly<ReturnType<typeof createLook>>;
export type Notes = Readonly<ReturnType<typeof createNotes>>;
export type Notices = Readonly<ReturnType<typeof createNotices>>;
export type Picture = Readonly<ReturnType<typeof createPicture>>;
export type Prompt = Readonly<ReturnType<typeof createPrompt>>;
export type Popups = Readonly<ReturnType<typeof createPopups>>;
export type Scope = Readonly<ReturnType<typeof createScope>>;
export type Selection = Readonly<ReturnType<typeof createSelection>>;
export type ShapeCommands = Readonly<ReturnType<typeof createShapeCommands>>;
export type Signals = Readonly<ReturnType<typeof createSignals>>;
export type Table = Readonly<ReturnType<typeof createTable>>;
export type Toolbox = Readonly<ReturnType<typeof createToolbox>>;
export type Viewport = Readonly<ReturnType<typeof createViewport>>;

// Data from Python: see the classes of the same names in viewer/__init__.py.

export interface ViewerMask {
  id: number;
  colour: string;
  area: number;
  bbox: number[];
  iou: number | null;
  stability: number | null;
  point: number[] | null;
  crop: number[];
  origin: Origin;
}

/** What a mask comes from; all but the first are made by hand. */
export type Origin = "found" | "clicked" | "merged" | "split" | "painted" | "changed";

export interface ViewerAction {
  kind: string;
  count: number;
  label: string;
}

export interface ViewerEdits {
  session: string;
  version: number;
  /** Masks that have another id since the first run ended; the new one is 0 for one that is gone. */
  renumbered: [before: number, now: number][];
  classes: string[];
  class_lines: string[];
  labels: [id: number, place: number][];
  hidden: number[];
  deleted: number[];
  undo: ViewerAction | null;
  redo: ViewerAction | null;
}

/** ViewerEdits as the answer to steps that were sent. */
export interface EditsAnswer extends ViewerEdits {
  answers?: string;
  told?: (ViewerAction & { way: "undone" | "redone" }) | null;
  error?: string;
  /** Of each step, the ids of the masks that it has made or changed. */
  made?: number[][];
  /** What was understood of a class list, or left out; "" where there is nothing to say. */
  note?: string;
  /** Whether pixels of masks have changed: a new value comes along. */
  redraws?: boolean;
}

export interface ViewerData {
  session: string;
  name: string;
  image: { url: string } | null;
  /** The masks' shapes, packed. */
  layers: string;
  width: number;
  height: number;
  display_width: number;
  display_height: number;
  masks: ViewerMask[];
  edits: ViewerEdits | null;
  partial: boolean;
  empty: string;
  /** The model and the preset of the masks, in words. */
  found_with: string;
  suggestion: Suggestion | null;
  points: [x: number, y: number][];
  /** By the server's clock. */
  said_at: number;
}

/** One text, or one in each language. */
export type LocalText = string | Record<string, string>;

export interface DownloadFormat {
  id: string;
  label: LocalText;
  hint: LocalText;
  /** The title of its group. */
  purpose: LocalText;
}

/** What a finished file holds, told before it is saved. */
export interface Proof {
  ticket: string;
  error: boolean;
  exact: boolean;
  sentence: string;
  more: string[];
  masks: { id: number; iou: string }[];
  size: string;
  file: string;
}

/** What the model makes of a prompt; the answer to the event with the same ticket. */
export interface PredictionAnswer {
  session: string;
  ticket: string;
  error: string;
  /** The candidates' shapes, packed; their ids count from 1. */
  layers: string;
  candidates: { score: number; stability: number | null; area: number }[];
}

/** A setting that would help, as a button. */
export interface Suggestion {
  label: string;
  option: string;
  value: number;
}

/** What never changes. */
export interface Constants {
  texts: Record<string, Record<string, string>>;
  formats: DownloadFormat[];
  offer_sample: boolean;
  palette: string[];
  no_class_colour: string;
}

export interface Props {
  /** ViewerData; `rest` is all but the photo, as JSON. */
  value: { image: ViewerData["image"], rest: string } | null;
  /** Constants as JSON. */
  constants: string;
  note: { text: string; x: number; y: number; suggestion?: Suggestion | null; keeps?: boolean } | null;
  edits: EditsAnswer | null;
  class_list: { lines: string[]; note: string } | null;
  proof: Proof | null;
  prediction: PredictionAnswer | null;
}

/** Sends an event to Python. */
export type Trigger = (event: string, payload: object) => void;

/** Calls back after Python has set a prop. */
export type Watch = (prop: keyof Props, run: () => void) => void;

// What is shared in the browser

/** One edit as it is sent to Python. */
export type Step =
  | { do: "label"; ids: number[]; label: string }
  | { do: "hide"; ids: number[]; hidden: boolean }
  | { do: "delete"; ids: number[] }
  | { do: "restore"; ids: number[] }
  | { do: "classes"; text: string }
  | { do: "undo" }
  | { do: "redo" }
  | ShapeStep;

/** An edit that makes masks or changes their pixels; coordinates in px of the original. What comes of it, only Python knows. */
export type ShapeStep =
  | { do: "take"; ticket: string; candidate: number; id: number }
  | { do: "combine"; how: Combination; ids: number[]; label: string | null }
  | { do: "keep"; x: number; y: number }
  | { do: "split"; ids: number[] }
  | { do: "reshape"; how: string; ids: number[]; px: number }
  | { do: "duplicate"; ids: number[] }
  | { do: "paint"; id: number; cut: boolean; strokes: Stroke[]; outline: XY[] | null }
  | { do: "disjoint"; ids: number[]; on_top: OnTop };

export type Combination = "merge" | "subtract" | "intersect";
export type OnTop = "smallest" | "best" | "newest";
export type XY = [x: number, y: number];

/** One line of a round brush. */
export interface Stroke {
  width: number;
  points: XY[];
}

export type Topic = "masks" | "order" | "shown" | "labels" | "selection" | "hover" | "view" | "style" | "opacity" | "draft";

export type Topics = ReadonlySet<Topic>;

export type SortKey = "shown" | "id" | "label" | "area" | "iou" | "stability" | "bbox" | "point" | "crop";

export interface Sort {
  key: SortKey;
  step: 1 | -1;
}

export type ColourBy = "object" | "class" | "size" | "quality";

export type DrawMode = "both" | "fill" | "outline";

export interface Point {
  x: number;
  y: number;
}

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** What is painted on a canvas: drawn in the order of a list, each from the same settings of the context. */
export interface Layer {
  /** `context`: one unit is one display px. `topics`: what has changed since the last time. */
  draw(context: CanvasRenderingContext2D, topics: Topics): void;
}

/** What the pointer does on the picture where it does not move or zoom it. Points are in stage px. */
export interface Tool {
  hover(point: Point): void;
  leave(): void;
  /** A press without a move; `minus`: with Alt or the right button, where a tool has an opposite. */
  click(point: Point, how: ClickKeys & { minus: boolean }): void;
  /** Takes a drag that began at `point`, or leaves it to move the photo. */
  startDrag?(point: Point, how: ClickKeys): Drag | null;
  /** Another tool is chosen, or another run is shown: drafts go. */
  stop?(): void;
  /** Keys of its own, as `KeyboardEvent.key`, with or without Shift. @returns whether it has used the key */
  key?(key: string, isShifted?: boolean): boolean;
  /** Takes back the last piece of a draft. @returns whether there was one */
  undo?(): boolean;
  /** Does again what `undo` took back last. @returns whether there was anything */
  redo?(): boolean;
}

export interface ClickKeys {
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

/** A drag that a tool has taken. */
export interface Drag {
  move(point: Point): void;
  end(): void;
  cancel(): void;
}

export type ToolName = "select" | "add" | "refine" | "brush" | "eraser" | "lasso" | "region";
