// One stream carries the answers to all events of a tab, and the server closes it after the last. Gradio's client takes
// a stream for open until the message of its end arrives; an event that is sent just then waits for its answer for
// ever, and its slider is dead until the page is reloaded. So the end is passed on only once no event waits: otherwise
// the stream is opened again, behind the client's back.
(() => {
  const fetchNow = window.fetch.bind(window);
  const joining = new Set(); // requests of events, not yet answered
  const waiting = new Set(); // events without a result
  const early = new Set(); // results that came before the answer to the request

  const complete = (id) => waiting.delete(id) || early.add(id);

  const join = async (request) => {
    const response = await request;
    if (response.ok) {
      const { event_id: id } = await response.clone().json();
      if (!early.delete(id)) waiting.add(id);
    }
    return response;
  };

  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const texts = (rest + value).split("\n\n");
      rest = texts.pop();
      yield* texts;
    }
  }

  async function* untilNothingWaits(response, open) {
    for (;;) {
      let end = null;
      for await (const text of events(response.body)) {
        const message = JSON.parse(text.replace(/^data:/, ""));
        if (message.msg === "process_completed") complete(message.event_id);
        if (message.msg === "close_stream") {
          end = text;
          break;
        }
        yield text;
      }
      await Promise.allSettled(joining);
      if (end !== null && waiting.size) response = await open();
      if (end === null || !waiting.size || !response.ok) {
        waiting.clear();
        early.clear();
        if (end !== null) yield end;
        return;
      }
    }
  }

  const kept = (response, open) => {
    const texts = untilNothingWaits(response, open);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async pull(controller) {
        const { value, done } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${value}\n\n`));
      },
      cancel: () => texts.return(),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };

  window.fetch = async (...asked) => {
    const path = new URL(asked[0] instanceof Request ? asked[0].url : asked[0], location.href).pathname;
    if (path.endsWith("/queue/join")) {
      const joined = join(fetchNow(...asked));
      joining.add(joined);
      return joined.finally(() => joining.delete(joined));
    }
    const response = await fetchNow(...asked);
    const isStream = path.endsWith("/queue/data") && response.ok;
    return isStream ? kept(response, () => fetchNow(...asked)) : response;
  };
})();
