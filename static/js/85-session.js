// The session ended while a form was open: the form stays, the sign-in opens above it, and what was refused
// is sent again with the new token and its old key. The view answers 401 and, after the sign-in, the event
// `signed-in` {csrf_token}.
(() => {
  "use strict";
  let refused = null;

  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401) return;
    refused = { source: ctx.sourceElement, submitter: ctx.request.submitter };
  });

  const renew = (token) => {
    for (const input of document.querySelectorAll("input[name=csrf_token]")) input.value = token;
    document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
  };

  document.addEventListener("signed-in", (event) => {
    renew(event.detail.csrf_token);
    document.getElementById("sign-in-dialog").close();
    const form = refused?.source.closest("form");
    const submitter = refused?.submitter;
    refused = null;
    if (form?.isConnected) form.requestSubmit(submitter?.isConnected ? submitter : null);
  });
})();
