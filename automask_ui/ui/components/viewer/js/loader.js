// @ts-check
/** @import { Language, Notes, Notices, Picture, Props, ViewerData, Viewport } from "./types.d.ts" */
import { completeData } from "./model/picture.js";

/**
 * Takes values from the server. They come every half second while a run goes on; the photo loads at its own pace.
 *
 * @param {object} deps
 * @param {Language} deps.language
 * @param {Notes} deps.notes
 * @param {Notices} deps.notices
 * @param {Picture} deps.picture
 * @param {Pick<Props, "value">} deps.props
 * @param {Viewport} deps.viewport
 * @returns {() => Promise<void>} shows the value that the props have now
 */
export function createLoader({ language: { text }, notes, notices, picture, props, viewport }) {
  const photos = keepLast(decodePhoto);
  let arrived = 0; // values, in order of arrival
  let applied = 0; // the newest value that is on screen
  let saidAt = 0; // when the server said the newest value

  /** @param {ViewerData} data @param {number} ticket */
  async function show(data, ticket) {
    const { image, layers } = data;
    if (!image) return;
    const photo = image.url === picture.photoUrl && picture.photo ? picture.photo : await photos(image.url);
    if (!isCurrent(data, ticket)) return;
    if (photo !== picture.photo) {
      picture.setPhoto(data, photo);
      viewport.fit();
    }
    const shapes = await unpackLayers(layers);
    if (!isCurrent(data, ticket)) return;
    applied = ticket;
    showMasks(data, shapes);
  }

  /** Whether nothing newer is on screen, nor another session. @param {ViewerData} data @param {number} ticket */
  const isCurrent = (data, ticket) => ticket > applied && data.session === picture.session;

  /** @param {ViewerData} data @param {ArrayBuffer} shapes its layers, unpacked */
  function showMasks(data, shapes) {
    const before = picture.data;
    // What was said of a place with other masks may not be true any more.
    if (data.layers !== before.layers) notes.hideNote();
    picture.setMasks(data, shapes);
    if (data.display_width !== before.display_width || data.display_height !== before.display_height) viewport.fit();
    notices.draw();
  }

  return async function load() {
    const { value } = props;
    const data = completeData(value && { image: value.image, ...JSON.parse(value.rest) });
    // Answers of two events may overtake each other: that of a slider, past the queue, the picture opened after it.
    if (value && data.said_at < saidAt) return;
    saidAt = data.said_at;
    const ticket = ++arrived;
    if (data.session !== picture.session || !data.image) picture.start(data);
    try {
      await show(data, ticket);
    } catch (error) {
      if (isCurrent(data, ticket)) notices.show(text("load_failed"));
      console.warn("viewer:", error);
    }
  };
}

/**
 * A function that keeps its last result: a file that is asked for again is fetched once, even while it is under way.
 *
 * @template T
 * @param {(url: string) => Promise<T>} fetchIt
 * @returns {(url: string) => Promise<T>}
 */
function keepLast(fetchIt) {
  /** @type {{ url: string, result: Promise<T> } | null} */
  let last = null;
  return (url) => {
    if (last?.url === url) return last.result;
    const asked = { url, result: fetchIt(url) };
    last = asked;
    asked.result.catch(() => {
      if (last === asked) last = null; // the next value may try again
    });
    return asked.result;
  };
}

/** @param {string} url */
async function decodePhoto(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${url}`);
  return createImageBitmap(await response.blob());
}

/**
 * Unpacks layers: base64 of a deflate stream (see pack_layers in viewer/display.py).
 *
 * @param {string} packed "" for none
 * @returns {Promise<ArrayBuffer>}
 */
export async function unpackLayers(packed) {
  if (!packed) return new ArrayBuffer(0);
  const text = atob(packed), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  // Written into the stream itself: a blob's bytes would go through another process of the browser and back.
  const stream = new DecompressionStream("deflate-raw"), writer = stream.writable.getWriter();
  const unpacked = new Response(stream.readable).arrayBuffer();
  // What goes wrong while it is written is told where it is read.
  for (const written of [writer.write(bytes), writer.close()]) written.catch(() => {});
  return unpacked;
}
