// The tokenizer of an exported model, without dependencies: text to ids and offsets, as tokenizer.md specifies it.
//
//   node tokenizer.mjs FOLDER          proves itself on FOLDER/tokenizer_vectors.json
//   node tokenizer.mjs FOLDER "text"   prints ids and offsets
//
// FOLDER is an export that holds vocab.txt and tokenizer_vectors.json.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const IDEOGRAPHS = [
  [0x3400, 0x4dbf], [0x4e00, 0x9fff], [0xf900, 0xfaff], [0x20000, 0x2a6df],
  [0x2a700, 0x2b81f], [0x2b920, 0x2ceaf], [0x2f800, 0x2fa1f],
];
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/u;

function isAlone(character) {
  const code = character.codePointAt(0);
  return PUNCTUATION.test(character) || IDEOGRAPHS.some(([first, last]) => first <= code && code <= last);
}

function caseFold(character) {
  const code = character.codePointAt(0);
  if (code === 0x131) return character;
  if (code === 0x1e9e) return "ss";
  if ((code >= 0x13a0 && code <= 0x13fd) || (code >= 0xab70 && code <= 0xabbf)) return character.toUpperCase();
  return character.toUpperCase().toLowerCase();
}

// Step 2: what one character becomes.
function fastFold(character, lowercase) {
  const spaced = (text) => text.replace(/[\p{Cc}\p{Cf}]/gu, " ");
  if (!lowercase) return spaced(character);
  const ignorable = /\p{Default_Ignorable_Code_Point}/gu;
  const folded = [...character.replace(ignorable, "").normalize("NFKC")].map(caseFold).join("").replace(ignorable, "");
  return spaced(folded.normalize("NFKD").replace(/\p{Mn}/gu, ""));
}

function exactFold(character, lowercase, stripAccents) {
  let text = stripAccents ? character.normalize("NFD") : character;
  text = text.replace(/[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu, (found) => ("\t\n\r".includes(found) ? found : ""));
  if (stripAccents) text = text.replace(/\p{Mn}/gu, "");
  return lowercase ? [...text].map((each) => each.toLowerCase()).join("") : text;
}

export class Tokenizer {
  constructor(vocabulary, { normalization, lowercase, strip_accents: stripAccents }) {
    this.ids = new Map(vocabulary.map((token, id) => [token, id]));
    this.fast = normalization === "fast";
    this.fold = (character) =>
      this.fast ? fastFold(character, lowercase) : exactFold(character, lowercase, stripAccents);
    this.isSpace = this.fast ? /[\s\p{Z}]/u : /[\t\n\r\p{Zs}]/u;
  }

  tokenize(text) {
    const out = { token_ids: [], starts: [], ends: [] };
    const push = (id, start, end) => {
      out.token_ids.push(id);
      out.starts.push(start);
      out.ends.push(end);
    };
    let place = 0;
    text.split("[MASK]").forEach((part, number) => {
      if (number) push(this.ids.get("[MASK]"), place, (place += 6));
      for (const word of this.words([...part], place)) this.pieces(word, push);
      place += [...part].length;
    });
    return out;
  }

  // Steps 2 and 3: lists of [character, where it came from].
  *words(characters, place) {
    let word = [];
    for (const [index, original] of characters.entries()) {
      for (const character of this.fold(original)) {
        const space = this.isSpace.test(character);
        if ((space || isAlone(character)) && word.length) {
          yield word;
          word = [];
        }
        if (space) continue;
        if (isAlone(character)) yield [[character, place + index]];
        else word.push([character, place + index]);
      }
    }
    if (word.length) yield word;
  }

  // Step 4.
  pieces(word, push) {
    const text = word.map(([character]) => character);
    const tooLong = this.fast ? Buffer.byteLength(text.join("")) > 400 : text.length > 100;
    const found = [];
    for (let begin = 0; begin < text.length && !tooLong; ) {
      let end = text.length;
      let id;
      for (; end > begin; end--) {
        id = this.ids.get((begin ? "##" : "") + text.slice(begin, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) {
        found.length = 0;
        break;
      }
      found.push([id, word[begin][1], word[end - 1][1] + 1]);
      begin = end;
    }
    if (!found.length) found.push([this.ids.get("[UNK]"), word[0][1], word[word.length - 1][1] + 1]);
    for (const each of found) push(...each);
  }
}

export function load(folder) {
  const vocabulary = readFileSync(`${folder}/vocab.txt`, "utf8").replace(/\n$/, "").split("\n");
  const proof = JSON.parse(readFileSync(`${folder}/tokenizer_vectors.json`, "utf8"));
  return { tokenizer: new Tokenizer(vocabulary, proof), vectors: proof.vectors };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { tokenizer, vectors } = load(process.argv[2]);
  if (process.argv.length > 3) {
    console.log(JSON.stringify(tokenizer.tokenize(process.argv[3])));
  } else {
    const wrong = vectors.filter(({ text, ...expected }) => {
      const found = tokenizer.tokenize(text);
      return ["token_ids", "starts", "ends"].some((name) => `${found[name]}` !== `${expected[name]}`);
    });
    for (const { text, ...expected } of wrong) {
      console.log(JSON.stringify({ text, expected, found: tokenizer.tokenize(text) }));
    }
    console.log(`${vectors.length - wrong.length} of ${vectors.length} vectors`);
    process.exitCode = wrong.length ? 1 : 0;
  }
}
