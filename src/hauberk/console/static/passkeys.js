/* Passkeys: asks the server what is wanted, the device for an answer, and sends that as a form. */
(() => {
  const fault = document.getElementById("fault");
  const tell = (text) => {
    fault.textContent = text;
    fault.hidden = false;
  };
  const known =
    window.PublicKeyCredential?.parseCreationOptionsFromJSON &&
    window.PublicKeyCredential.parseRequestOptionsFromJSON;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!known) continue;
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        const asked = await fetch(form.dataset.options, {
          method: "POST",
          headers: { "X-CSRF-Token": form.elements.csrf.value },
        });
        if (!asked.ok) {
          const plain = asked.headers.get("content-type")?.startsWith("text/plain");
          tell(plain ? await asked.text() : "Load this page again, and try again.");
          return;
        }
        const options = await asked.json();
        const made =
          form.dataset.passkey === "create"
            ? await navigator.credentials.create({
                publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
              })
            : await navigator.credentials.get({
                publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
              });
        form.elements.credential.value = JSON.stringify(made.toJSON());
        form.submit();
      } catch (error) {
        tell(
          error.name === "InvalidStateError"
            ? "This device has a passkey of yours already."
            : "No passkey was given.",
        );
      } finally {
        button.disabled = false;
      }
    });
  }
})();
