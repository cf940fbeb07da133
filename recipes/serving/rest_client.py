"""Ask a served model over REST, with nothing but Python's own library.

python rest_client.py --model news "The [MASK] is open." "今天的[MASK]气很好。"
python rest_client.py --model news --signature embed --columns "One vector a text."
python rest_client.py --model news --signature next_sentence --pairs "It rained." "The street was wet."
"""

import argparse
import base64
import json
import urllib.error
import urllib.request


def ask(url: str, signature: str, inputs: dict[str, list[bytes]], columns: bool) -> object:
    """Return the server's answer: one object a text, or with `columns` one list an output."""
    # b64 carries every byte; a plain JSON string does too, as long as it is Unicode.
    named = {name: [{"b64": base64.b64encode(text).decode()} for text in texts] for name, texts in inputs.items()}
    body: dict[str, object] = {"signature_name": signature}
    if columns:
        body["inputs"] = named
    else:
        body["instances"] = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"error: {json.load(error)['error']}") from error
    return answer["outputs" if columns else "predictions"]


def main() -> None:
    """Read the command line, ask, print."""
    parser = argparse.ArgumentParser(description="Ask a served model over REST.")
    parser.add_argument("texts", nargs="+", metavar="TEXT")
    parser.add_argument("--server", default="http://localhost:8501")
    parser.add_argument("--model", required=True, help="name that the server knows the model by")
    parser.add_argument("--version", type=int, help="number of the version; by default the server's choice")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--pairs", action="store_true", help="texts are pairs, two by two: text_a and text_b")
    parser.add_argument("--columns", action="store_true", help="one list an output instead of one object a text")
    options = parser.parse_args()
    version = f"/versions/{options.version}" if options.version else ""
    url = f"{options.server}/v1/models/{options.model}{version}:predict"
    texts = [text.encode() for text in options.texts]
    inputs = {"text_a": texts[::2], "text_b": texts[1::2]} if options.pairs else {"text": texts}
    print(json.dumps(ask(url, options.signature, inputs, options.columns), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
