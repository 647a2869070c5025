/** The data that Python and the viewer exchange, and what modules ask of each other. Only the type checker reads this. */

import type { createColours } from "./model/colours.js";
import type { createEdits } from "./model/edits.js";
import type { createLanguage } from "./model/language.js";
import type { createListing } from "./model/listing.js";
import type { createLook } from "./model/look.js";
import type { createPicture } from "./model/picture.js";
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

// Read-only for all but the module that makes it: one owner for each piece of state.
export type Colours = Readonly<ReturnType<typeof createColours>>;
export type Commands = Readonly<ReturnType<typeof createCommands>>;
export type Dom = Readonly<ReturnType<typeof createDom>>;
export type Edits = Readonly<ReturnType<typeof createEdits>>;
export type LabelField = Readonly<ReturnType<typeof createLabelField>>;
export type Language = Readonly<ReturnType<typeof createLanguage>>;
export type Listing = Readonly<ReturnType<typeof createListing>>;
export type Look = Readonly<ReturnType<typeof createLook>>;
export type Notes = Readonly<ReturnType<typeof createNotes>>;
export type Notices = Readonly<ReturnType<typeof createNotices>>;
export type Picture = Readonly<ReturnType<typeof createPicture>>;
export type Popups = Readonly<ReturnType<typeof createPopups>>;
export type Scope = Readonly<ReturnType<typeof createScope>>;
export type Selection = Readonly<ReturnType<typeof createSelection>>;
export type Signals = Readonly<ReturnType<typeof createSignals>>;
export type Table = Readonly<ReturnType<typeof createTable>>;
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
}

export interface ViewerAction {
  kind: string;
  count: number;
  label: string;
}

export interface ViewerEdits {
  session: string;
  version: number;
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
}

export interface ViewerData {
  session: string;
  name: string;
  image: { url: string } | null;
  layers: { url: string } | null;
  width: number;
  height: number;
  display_width: number;
  display_height: number;
  masks: ViewerMask[];
  edits: ViewerEdits | null;
  partial: boolean;
  empty: string;
  suggestion: Suggestion | null;
  points: [x: number, y: number][];
}

/** One text, or one in each language. */
export type LocalText = string | Record<string, string>;

export interface DownloadFormat {
  id: string;
  label: LocalText;
  hint: LocalText;
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

/** A setting that would help, as a button. */
export interface Suggestion {
  label: string;
  option: string;
  value: number;
}

export interface Props {
  value: Partial<ViewerData> | null;
  texts: Record<string, Record<string, string>>;
  formats: DownloadFormat[];
  offer_sample: boolean;
  palette: string[];
  no_class_colour: string;
  note: { text: string; x: number; y: number; suggestion?: Suggestion | null } | null;
  edits: EditsAnswer | null;
  class_list: { lines: string[]; note: string } | null;
  proof: Proof | null;
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
  | { do: "classes"; text: string }
  | { do: "undo" }
  | { do: "redo" };

export type Topic = "masks" | "order" | "shown" | "labels" | "selection" | "hover" | "view" | "style" | "opacity";

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

/** What the pointer does on the picture where it does not drag or zoom. Points are in stage px. */
export interface Tool {
  hover(point: Point): void;
  leave(): void;
  click(point: Point, event: PointerEvent): void;
}
