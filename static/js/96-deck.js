// A round proved in the browser: from its seed alone the commitment and the deck are computed here, with Web
// Crypto, and compared with what the page says. Nothing is asked of the server.
//
// It reads, from the element with [data-deck]:
//   data-seed        the seed, 64 hexadecimal digits
//   data-commitment  SHA-256 of the seed as it was shown before betting, 64 hexadecimal digits
//   data-salt        the public salt of the round
//   data-number      the number of the round
//   data-joker       the joker, 0 to 51; empty where none was shown
//   data-cards       the cards that were dealt after it, in order: "17 3 44"; empty where there were none
// and fills, within it, those of these that are there:
//   [data-deck-says]        one sentence: equal, or what differs (give it role="status")
//   [data-deck-commitment]  the commitment as computed
//   [data-deck-cards]       an <ol> that gets the deck as computed: 52 <li class="mini-card is-red|is-black">;
//                           those that were dealt, joker included, also have is-dealt
// Then data-deck-result on the element itself is "equal", "different" or "unable".
(() => {
  "use strict";
  const ranks = "A23456789TJQK";
  const suits = "♣♦♥♠";
  const suitNames = ["clubs", "diamonds", "hearts", "spades"];
  const rankNames = { A: "Ace", T: "10", J: "Jack", Q: "Queen", K: "King" };
  const wordsAtOnce = 8;
  const range = 2 ** 32;

  const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const hexOf = (buffer) =>
    [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // 32-bit numbers without end: HMAC-SHA256(seed, "salt:number:counter"), eight to each, big-endian.
  async function* words(seed, salt, number) {
    const key = await crypto.subtle.importKey("raw", seed, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    for (let counter = 0; ; counter += 1) {
      const message = new TextEncoder().encode(`${salt}:${number}:${counter}`);
      const block = new DataView(await crypto.subtle.sign("HMAC", key, message));
      for (let at = 0; at < wordsAtOnce; at += 1) yield block.getUint32(4 * at, false);
    }
  }

  // Fisher-Yates from the last card down to the second. A number that would favour some cards is thrown away.
  const shuffle = async (numbers) => {
    const cards = Array.from({ length: 52 }, (_, card) => card);
    for (let last = 51; last > 0; last -= 1) {
      const limit = range - (range % (last + 1));
      let number;
      do number = (await numbers.next()).value; while (number >= limit);
      const drawn = number % (last + 1);
      [cards[last], cards[drawn]] = [cards[drawn], cards[last]];
    }
    return cards;
  };

  const fill = (root, name, work) => root.querySelectorAll(`[data-deck-${name}]`).forEach(work);

  const end = (root, result, words) => {
    root.dataset.deckResult = result;
    fill(root, "says", (place) => { place.textContent = words; });
  };

  const drawn = (card, isDealt) => {
    const suit = Math.floor(card / 13);
    const rank = ranks[card % 13];
    const item = document.createElement("li");
    item.className = `mini-card ${suit === 1 || suit === 2 ? "is-red" : "is-black"}`;
    item.classList.toggle("is-dealt", isDealt);
    item.textContent = `${rank === "T" ? "10" : rank}${suits[suit]}`;
    item.title = `${rankNames[rank] ?? rank} of ${suitNames[suit]}`;
    return item;
  };

  const verdict = (root, commitment, deck, dealt) => {
    if (commitment !== root.dataset.commitment.toLowerCase()) {
      return ["different", "Not equal: this seed is not the one that was committed to."];
    }
    const at = dealt.findIndex((card, place) => card !== deck[place]);
    if (at === 0) return ["different", "Not equal: the deck begins with another joker."];
    if (at > 0) return ["different", `Not equal: card ${at} of the deal is another one in the deck.`];
    if (dealt.length === 0) return ["equal", "Equal: the seed is the one that was committed to. No card was dealt."];
    return ["equal", `Equal: the seed is the one that was committed to, and the joker and all ${dealt.length - 1} cards follow from it.`];
  };

  const verify = async (root) => {
    root.dataset.deckResult = "working";
    const { seed, salt, number, joker, cards } = root.dataset;
    if (!/^[0-9a-f]{64}$/i.test(seed)) return end(root, "unable", "There is no seed to compute from yet.");
    // Browsers give Web Crypto to pages by TLS, and of the machine itself, only.
    if (!globalThis.crypto?.subtle) {
      return end(root, "unable", "This browser computes nothing on a page without TLS: use the stand-alone script.");
    }
    const raw = bytesOf(seed);
    const commitment = hexOf(await crypto.subtle.digest("SHA-256", raw));
    const deck = await shuffle(words(raw, salt, number));
    const dealt = [...(joker === "" ? [] : [joker]), ...cards.split(" ").filter(Boolean)].map(Number);
    fill(root, "commitment", (place) => { place.textContent = commitment; });
    fill(root, "cards", (place) => {
      place.replaceChildren(...deck.map((card, at) => drawn(card, at < dealt.length)));
    });
    return end(root, ...verdict(root, commitment, deck, dealt));
  };

  const verifyAll = () => document.querySelectorAll("[data-deck]:not([data-deck-result])").forEach(verify);

  document.addEventListener("htmx:after:settle", verifyAll);
  verifyAll();
})();
