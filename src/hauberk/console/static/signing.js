/* Signs statements with a key of this browser: Ed25519, not extractable, kept in IndexedDB. */
(() => {
  const ALGORITHM = { name: "Ed25519" };
  const STORE = "keys";
  const LINE = "hauberk statement 1\n";
  const page = document.getElementById("own-key");
  const form = document.getElementById("signing");
  const holder = page || form;
  if (!holder) return;
  const person = holder.dataset.person;
  const known = (holder.dataset.keys || "").split(" ").filter(Boolean);

  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const hex = (buffer) =>
    [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, "0")).join("");

  const done = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const store = async (mode) => {
    const opening = indexedDB.open("hauberk-signing", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    return (await done(opening)).transaction(STORE, mode).objectStore(STORE);
  };
  const load = async () => done((await store("readonly")).get(person));
  const keep = async (pair) => done((await store("readwrite")).put(pair, person));

  const describe = async (pair) => {
    const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
    const id = hex(await crypto.subtle.digest("SHA-256", raw)).slice(0, 16);
    return { id, encoded: base64(raw) };
  };
  const able = async () => {
    try {
      await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
      return true;
    } catch {
      return false;
    }
  };

  /* RFC 8785: members in order of their UTF-16 units, numbers and texts as JSON.stringify has them. */
  const canonical = (value) => {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    const members = Object.keys(value).sort();
    return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  };

  const show = (element, text) => {
    if (!element) return;
    element.textContent = text;
    element.hidden = !text;
  };

  const ownKey = async () => {
    const state = document.getElementById("key-state");
    const make = document.getElementById("make-key");
    const draw = async (pair) => {
      const key = await describe(pair);
      document.getElementById("key-id").textContent = key.id;
      document.getElementById("key-public").textContent = key.encoded;
      document.getElementById("key-facts").hidden = false;
      document.getElementById("offered").value = key.encoded;
      const there = known.includes(key.id);
      document.getElementById("offer").hidden = there;
      make.hidden = true;
      show(
        state,
        there
          ? "This browser has a key of yours that the registry knows: you can sign here."
          : "This browser has a key of yours that the registry does not know yet.",
      );
    };
    if (!(await able())) {
      show(state, "This browser cannot sign with Ed25519. Sign elsewhere, with the command line.");
      return;
    }
    const pair = await load();
    if (pair) {
      await draw(pair);
      return;
    }
    show(state, "This browser has no signing key of yours.");
    make.hidden = false;
    make.addEventListener("click", async () => {
      make.disabled = true;
      const made = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
      await keep(made);
      await navigator.storage?.persist?.();
      await draw(made);
    });
  };

  const signing = async () => {
    const state = document.getElementById("signing-state");
    const button = document.getElementById("sign");
    const instead = document.getElementById("elsewhere");
    if (!known.length) return;
    instead.open = true;
    if (!(await able())) {
      show(state, "This browser cannot sign with Ed25519: sign it elsewhere, below.");
      return;
    }
    const pair = await load();
    if (!pair) {
      show(state, "This browser has no signing key of yours. Make one under your account, or sign it elsewhere, below.");
      return;
    }
    const key = await describe(pair);
    if (!known.includes(key.id)) {
      show(state, `The registry does not know the key ${key.id} of this browser. Offer it under your account, or sign it elsewhere, below.`);
      return;
    }
    instead.open = false;
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      const statement = JSON.parse(document.getElementById("statement").textContent);
      const kind = form.dataset.kind;
      const text = `${LINE}${kind}\n${canonical(statement)}`;
      const value = await crypto.subtle.sign(ALGORITHM, pair.privateKey, new TextEncoder().encode(text));
      const signatures = [{ person, key: key.id, signature: base64(value) }];
      document.getElementById("signed").value = JSON.stringify({ type: kind, statement, signatures });
      form.submit();
    });
  };

  (page ? ownKey() : signing()).catch((error) =>
    show(document.getElementById(page ? "key-state" : "signing-state"), `Signing failed: ${error.message}`),
  );
})();
