// @ts-check
/** @import { Topic, Topics } from "../types.d.ts" */

/**
 * Who wants to hear of which change. However often things change, the work is done once a frame.
 *
 * @param {(run: () => void) => number} requestFrame
 * @param {(frame: number) => void} cancelFrame
 */
export function createSignals(requestFrame = requestAnimationFrame, cancelFrame = cancelAnimationFrame) {
  /** @typedef {{ topics: Topic[], run: (topics: Topics) => void }} Listener */
  /** @type {Listener[]} */
  const derivations = [];
  /** @type {Listener[]} */
  const drawings = [];
  /** @type {Set<Topic>} */
  let pending = new Set();
  let frame = 0;

  /** Does now what waits for the next frame. */
  function flush() {
    cancelFrame(frame);
    frame = 0;
    const now = pending;
    pending = new Set();
    for (const { topics, run } of [...derivations, ...drawings]) if (topics.some((topic) => now.has(topic))) run(now);
  }

  return {
    /**
     * Calls `run` in the next frame after one of `topics` changed.
     *
     * @param {Topic[]} topics
     * @param {Listener["run"]} run
     */
    on(topics, run) {
      drawings.push({ topics, run });
    },

    /**
     * As `on`, but before all that draws: for values that are computed from others.
     *
     * @param {Topic[]} topics
     * @param {Listener["run"]} run
     */
    derive(topics, run) {
      derivations.push({ topics, run });
    },

    /** @param {Topic[]} topics */
    changed(...topics) {
      for (const topic of topics) pending.add(topic);
      frame ||= requestFrame(flush);
    },

    flush,
  };
}

/**
 * An event between modules that is heard at once, not in the next frame.
 *
 * @template {unknown[]} [T=[]]
 */
export function createHook() {
  /** @type {((...values: T) => void)[]} */
  const listeners = [];
  return {
    /** @param {(...values: T) => void} listener */
    on(listener) {
      listeners.push(listener);
    },
    /** @param {T} values */
    emit(...values) {
      for (const listener of listeners) listener(...values);
    },
  };
}
