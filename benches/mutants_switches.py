"""Writes many mutants into one source file, each behind a switch, so that all of them are compiled at once.

`a == b` becomes `(if crate::mutant_is(17) { (a) != (b) } else { (a) == (b) })`, and so on. Which number is on is a word in the
program's data (see SWITCH), which benches/mutants.py changes in a copy of the program: nothing is read at run time, so tests that
watch system calls see none.
"""

import re

import tree_sitter
import tree_sitter_rust

MARKER = b"solobot-mutants:"
# The number that turns no mutant on, but has each test write down which mutants it comes by, in the file $MUTANTS_REACHED.
RECORD = 2**32 - 1
# Added to src/lib.rs. Atomics, because the compiler may not assume what their value is.
SWITCH = """
#[repr(C)]
struct MutantSwitch {
    marker: [u8; 16],
    number: std::sync::atomic::AtomicU32,
}

static MUTANT_SWITCH: MutantSwitch = MutantSwitch { marker: *b"%s", number: std::sync::atomic::AtomicU32::new(0) };

pub(crate) fn mutant_is(number: u32) -> bool {
    std::hint::black_box(&MUTANT_SWITCH.marker);
    let on = MUTANT_SWITCH.number.load(std::sync::atomic::Ordering::Relaxed);
    if on == u32::MAX {
        mutant_reached(number);
    }
    on == number
}

#[cold]
fn mutant_reached(number: u32) {
    static SEEN: [std::sync::atomic::AtomicBool; 1 << 16] = [const { std::sync::atomic::AtomicBool::new(false) }; 1 << 16];
    if SEEN[number as usize].swap(true, std::sync::atomic::Ordering::Relaxed) {
        return;
    }
    let variable = |name| std::env::var(name).unwrap_or_default();
    let line = format!("{number} {} {}\\n", variable("NEXTEST_BINARY_ID"), variable("NEXTEST_TEST_NAME"));
    if let Ok(mut file) = std::fs::File::options().append(true).open(variable("MUTANTS_REACHED")) {
        _ = std::io::Write::write_all(&mut file, line.as_bytes());
    }
}
""" % MARKER.decode()

# Rust has no `let … || …`.
IN_CHAIN = "an operator of a `let` chain"

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))


class Source:
    """One file. `alone` are the numbers of its mutants that no switch can express, each with the reason."""

    def __init__(self, text, mutants):
        self.text = text.encode()
        self.lines = [line.encode() for line in text.split("\n")]
        self.alone = {}
        self.changes = {}  # a node's id → its (mutant, node) pairs
        self.wanted = []  # where they are, as byte ranges
        root = PARSER.parse(self.text).root_node
        self.root = root
        for mutant in mutants:
            node, why = self.place(mutant)
            if why:
                self.alone[mutant["number"]] = why
            else:
                self.changes.setdefault(node.id, []).append(mutant)
                self.wanted.append((node.start_byte, node.end_byte))

    def offset(self, position):
        line = self.lines[position["line"] - 1]
        before = sum(len(each) + 1 for each in self.lines[: position["line"] - 1])
        return before + len(line.decode()[: position["column"] - 1].encode())

    def place(self, mutant):
        """The node that a mutant changes, or why no switch can express it."""
        start = self.offset(mutant["span"]["start"])
        leaf = self.root.descendant_for_byte_range(start, start + 1)
        above = list(ancestors(leaf))
        genre = mutant["genre"]
        if genre == "FnValue":
            function = next(node for node in above if node.type == "function_item")
            if "impl " in mutant["function"]["return_type"]:
                return None, "a type without a name"
            return function.child_by_field_name("body"), None
        kinds = {
            "BinaryOperator": ("binary_expression", "compound_assignment_expr", "let_chain"),
            "UnaryOperator": ("unary_expression",),
            "MatchArm": ("match_arm",),
            "MatchArmGuard": ("match_pattern",),
            "StructField": ("field_initializer", "shorthand_field_initializer"),
        }[genre]
        node = next((node for node in above if node.type in kinds), None)
        if node is None or node.type == "let_chain":
            return None, IN_CHAIN
        if genre == "MatchArmGuard" and node.child_by_field_name("condition").type.startswith("let_"):
            return None, "part of a `let`"
        return node, None

    def render(self, off=()):
        """The text with all switches but those of the numbers in `off`."""
        self.off = off
        return self.node(self.root).decode()

    def node(self, node):
        mutants = [each for each in self.changes.get(node.id, ()) if each["number"] not in self.off]
        if mutants:
            return getattr(self, node.type)(node, mutants)
        return self.inside(node)

    def inside(self, node, first=0, last=None):
        """The node's text, its children rendered; only those from `first` to `last`."""
        children = node.children[first:last]
        touched = any(start < node.end_byte and end > node.start_byte for start, end in self.wanted)
        if not children or not touched:
            begin = children[0].start_byte if first else node.start_byte
            return self.text[begin : children[-1].end_byte if last and children else node.end_byte]
        out, at = b"", children[0].start_byte if first else node.start_byte
        for child in children:
            out += self.text[at : child.start_byte] + self.node(child)
            at = child.end_byte
        return out + (b"" if last else self.text[at : node.end_byte])

    def choice(self, mutants, form, original):
        """`form(mutant)` where its number is on, else `original`."""
        out = b""
        for mutant in mutants:
            n = mutant["number"]
            out += b"/*<%d*/if crate::mutant_is(%d) { %s }/*%d>*/ else " % (n, n, form(mutant), n)
        return b"(%s{ %s })" % (out, original)

    def binary_expression(self, node, mutants):
        left, right = (b"(" + self.node(node.child_by_field_name(side)) + b")" for side in ("left", "right"))
        operator = node.child_by_field_name("operator").type.encode()
        join = lambda sign: left + b" " + sign + b" " + right
        return self.choice(mutants, lambda mutant: join(mutant["replacement"].encode()), join(operator))

    def compound_assignment_expr(self, node, mutants):
        left, right = (self.node(node.child_by_field_name(side)) for side in ("left", "right"))
        operator = node.child_by_field_name("operator").type.encode()
        join = lambda sign: left + b" " + sign + b" " + right
        return self.choice(mutants, lambda mutant: join(mutant["replacement"].encode()), join(operator))

    def unary_expression(self, node, mutants):
        operand = self.node(node.children[1])
        return self.choice(mutants, lambda _: operand, node.children[0].type.encode() + b"(" + operand + b")")

    def match_arm(self, node, mutants):
        n = mutants[0]["number"]
        pattern = node.child_by_field_name("pattern")
        index = node.children.index(pattern)
        before = self.inside(node, 0, index) if index else b""
        guard = b" if /*<%d*/!crate::mutant_is(%d)/*%d>*/ " % (n, n, n)
        return before + self.node(pattern) + guard + self.inside(node, index + 1)

    def match_pattern(self, node, mutants):
        condition = node.child_by_field_name("condition")
        text = b"(" + self.node(condition) + b")"
        for mutant in mutants:
            n = mutant["number"]
            join = b"crate::mutant_is(%d) ||" if mutant["replacement"] == "true" else b"!crate::mutant_is(%d) &&"
            text = b"(/*<%d*/" % n + join % n + b" %s/*%d>*/)" % (text, n)
        return self.text[node.start_byte : condition.start_byte] + text

    def field_initializer(self, node, mutants):
        name = self.text[node.start_byte : node.end_byte].split(b":")[0].strip()
        base = next(each for each in node.parent.children if each.type == "base_field_initializer")
        kind = node.parent.parent.child_by_field_name("name").text
        value = node.child_by_field_name("value")
        original = self.node(value) if value else name
        form = b"{ let base: %s = %s; base.%s }" % (kind, self.text[base.start_byte : base.end_byte].lstrip(b"."), name)
        return name + b": " + self.choice(mutants, lambda _: form, original)

    shorthand_field_initializer = field_initializer

    def block(self, node, mutants):
        out = b"{"
        for mutant in mutants:
            n = mutant["number"]
            out += b" /*<%d*/if crate::mutant_is(%d) { return %s; }/*%d>*/" % (n, n, mutant["replacement"].encode(), n)
        return out + self.inside(node, 1)


def ancestors(node):
    while node:
        yield node
        node = node.parent


def numbers_at(text, start):
    """The innermost mutant around a byte of a rendered text; if there is none, the last one before it."""
    inside, before = [], []
    data = text.encode()
    for match in re.finditer(rb"/\*<(\d+)\*/", data):
        end = data.find(b"/*%s>*/" % match[1], match.end())
        if match.start() <= start < end:
            inside.append((end - match.start(), int(match[1])))
        elif end <= start:
            before.append((start - end, int(match[1])))
    found = inside or before
    return min(found)[1] if found else None
