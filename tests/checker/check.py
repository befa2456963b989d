#!/usr/bin/env python3
"""Checks an exported history (`seawall export --as edn`), and knows nothing but operations and their answers.

A write that was acknowledged is there in the last read of each host of its user, unless a later write or delete of
somebody to whom it had been shown replaced it. This is written apart from the judges of Seawall, as a second opinion:
it shares no code with them. It knows no faults, so it is for runs in which nothing that the system may lose is lost.
"""

import re
import sys

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,{}\[\]"]+')
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse(text):
    """One EDN value: maps, vectors, texts, keywords, numbers, booleans."""
    tokens = iter(TOKEN.findall(text))

    def value(token):
        if token == "{":
            items = sequence("}")
            return dict(zip(items[::2], items[1::2]))
        if token == "[":
            return sequence("]")
        if token[0] == '"':
            unicode = re.sub(r"\\u([0-9a-fA-F]{4})", lambda it: chr(int(it[1], 16)), token[1:-1])
            return re.sub(r"\\(.)", lambda it: ESCAPES.get(it[1], it[1]), unicode)
        if token in ("true", "false"):
            return token == "true"
        return token[1:] if token[0] == ":" else int(token)

    def sequence(end):
        items = []
        for token in tokens:
            if token == end:
                return items
            items.append(value(token))
        raise ValueError(f"no {end} at the end of {text}")

    return value(next(tokens))


def main(path):
    asked, answers = [], []
    with open(path, encoding="utf-8") as file:
        open_ops = {}
        for line in file:
            op = parse(line)
            if op["type"] == "invoke":
                open_ops[op["process"]] = op
                asked.append(op)
            else:
                answers.append((open_ops.pop(op["process"]), op))

    saved, finals = [], []
    for invoked, answer in answers:
        if answer["type"] == "ok" and invoked["f"] == "write":
            saved.append(invoked["value"])
        if answer["type"] == "ok" and invoked["f"] == "read" and invoked["value"]["last"]:
            finals.append((invoked["value"]["user"], invoked["value"]["host"], answer["value"]))

    # What each write had been shown of a field is replaced by it, acknowledged or not.
    replaced, deleted = set(), set()
    for op in asked:
        value = op["value"]
        about = (value["user"], value.get("record"))
        if op["f"] in ("write", "count"):
            observed = [(field, write) for field, write in value["observed"] if field in value["fields"]]
            replaced.update((*about, field, write) for field, write in observed)
            if value["saw-deleted"]:
                deleted.update((*about, write) for _, write in value["observed"])
        if op["f"] == "delete":
            deleted.update((*about, write) for _, write in value["observed"])

    lost = 0
    for write in saved:
        for field in write["fields"]:
            label, record, user = write["write"], write["record"], write["user"]
            if (user, record, field, label) in replaced or (user, record, label) in deleted:
                continue
            for reader, host, read in finals:
                if (reader, read["record"]) != (user, record) or read["sealed"] or read["partial"]:
                    continue
                if label not in read["shows"].get(field, []):
                    lost += 1
                    print(f"{label} ({record}.{field}) is nowhere on {host}: it shows {read['shows'].get(field)}")
    if lost:
        return 1
    print(f"nothing is lost: {len(saved)} acknowledged writes, {len(finals)} last reads")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
