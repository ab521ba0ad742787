// Package config decodes a filter's JSON configuration strictly: an unknown field, a wrong type, a
// duplicate name or a value out of range is a mistake with the path of where it stands. All mistakes of
// a document are collected, so that its author fixes them in one go; a document with one is refused
// whole.
//
// There is no reflection: a filter names the fields it knows as it reads them.
package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// Mistakes are the faults found in one document, in the order found.
type Mistakes []Mistake

// Mistake is one fault of a configuration.
type Mistake struct {
	Path string // where, as "$.policies[2].rules[0]"
	What string // what was found, and what would be right
}

func (m Mistake) Error() string { return "config: " + m.Path + ": " + m.What }

func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.Error()
	}
	return strings.Join(lines, "\n")
}

// Document is a configuration being decoded.
type Document struct{ mistakes Mistakes }

// Parse reads raw as one JSON object, or as an encoded google.protobuf.Struct, which stands for one. Read
// the returned node, then ask Document.Err. What is decoded refers to raw, which must not change afterwards.
func Parse(raw []byte) (*Document, Node) {
	d := &Document{}
	root := Node{doc: d}
	text := unsafe.String(unsafe.SliceData(raw), len(raw)) // not copied: a policy may have many megabytes
	if len(strings.TrimSpace(text)) == 0 {
		root.Mistake("the configuration is empty; a JSON object is needed")
		return d, root
	}
	v, err := jsonstrict.Parse(text)
	if err != nil {
		if document, notStruct := structToJSON(raw); notStruct == nil {
			v, err = jsonstrict.Parse(string(document))
		}
	}
	if err != nil {
		root.Mistake("the document " + err.Error())
		return d, root
	}
	root.raw = v.Raw
	return d, root
}

// Err is nil, or Mistakes.
func (d *Document) Err() error {
	if len(d.mistakes) == 0 {
		return nil
	}
	return d.mistakes
}

// Decode reads raw with a function that decodes the root. The error is Mistakes.
func Decode[C any](raw []byte, decode func(Node) *C) (*C, error) {
	doc, root := Parse(raw)
	c := decode(root)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Node is one value of the document, or the place where an absent one would stand. Reading an absent
// node gives the default and no mistake.
type Node struct {
	doc   *Document
	place place
	raw   string // its text; "": absent
}

// place is where a node stands. Its path is put together only for who asks: a large configuration has millions
// of nodes, and mistakes in few of them.
type place struct {
	parent *place // nil at the root
	name   string // of a member
	index  int    // of an element, whose name is ""
}

func (p *place) path() string {
	switch {
	case p.parent == nil:
		return "$"
	case p.index >= 0:
		return p.parent.path() + "[" + strconv.Itoa(p.index) + "]"
	}
	return join(p.parent.path(), p.name)
}

// Present tells whether the document has this value. A JSON null counts as present (and is refused by
// whatever reads it).
func (n Node) Present() bool { return n.raw != "" }

// Path is where the node stands, as "$.policies[2]".
func (n Node) Path() string { return n.place.path() }

// Value is the value itself; the whole document has been checked by jsonstrict.
func (n Node) Value() gjson.Result { return gjson.Parse(n.raw) }

// Raw is the JSON text of the value.
func (n Node) Raw() string { return n.raw }

// Mistake records what is wrong with this value.
func (n Node) Mistake(what string) {
	n.doc.mistakes = append(n.doc.mistakes, Mistake{Path: n.Path(), What: what})
}

// Mistakes is how many the document has so far.
func (n Node) Mistakes() int { return len(n.doc.mistakes) }

func (n Node) wrongType(want string) {
	n.Mistake("expected " + want + ", found " + kind(n.Value()))
}

// Object reads an object that may have the named fields and no others.
func (n Node) Object(fields ...string) *Object {
	o := &Object{node: n}
	if n.raw == "" || n.raw == "{}" {
		return o
	}
	o.members = make([]Member, 0, usualMembers)
	if !n.Value().IsObject() {
		n.wrongType("an object")
		return o
	}
	for c := jsonstrict.Begin(n.Value()); ; {
		name, v, next, ok := c.Next()
		if !ok {
			return o
		}
		c = next
		child := n.member(&o.node.place, name, v)
		if !slices.Contains(fields, name) {
			child.Mistake("unknown field" + suggestion(name, fields))
			continue
		}
		o.members = append(o.members, Member{Name: name, Node: child})
	}
}

// usualMembers is how many most objects have at most.
const usualMembers = 3

// Members reads an object whose names are the author's own (providers, aliases), in document order.
func (n Node) Members() []Member {
	if n.raw == "" {
		return nil
	}
	if !n.Value().IsObject() {
		n.wrongType("an object")
		return nil
	}
	var ms []Member
	at := n.place
	for c := jsonstrict.Begin(n.Value()); ; {
		name, v, next, ok := c.Next()
		if !ok {
			return ms
		}
		c = next
		ms = append(ms, Member{Name: name, Node: n.member(&at, name, v)})
	}
}

// Member is a named value of an object.
type Member struct {
	Name string
	Node Node
}

// Object is a decoded object with known fields.
type Object struct {
	node    Node
	members []Member
}

// Get returns a field, present or not.
func (o *Object) Get(name string) Node {
	for _, m := range o.members {
		if m.Name == name {
			return m.Node
		}
	}
	return Node{doc: o.node.doc, place: place{parent: &o.node.place, name: name, index: -1}}
}

// Len is how many known fields the object has.
func (o *Object) Len() int { return len(o.members) }

// Node is the object's own node, to record a mistake about the whole.
func (o *Object) Node() Node { return o.node }

// Require is Get, with a mistake if the field is absent.
func (o *Object) Require(name, example string) Node {
	n := o.Get(name)
	if n.raw == "" && o.node.raw != "" {
		n.Mistake("missing; needed, for example " + example)
	}
	return n
}

// List reads an array.
func (n Node) List() []Node {
	if n.raw == "" {
		return nil
	}
	if !n.Value().IsArray() {
		n.wrongType("a list")
		return nil
	}
	return n.elements()
}

// elements is on its own so that the node needs memory only where there is a list.
func (n Node) elements() []Node {
	list := make([]Node, 0, jsonstrict.Count(n.Value()))
	at := &n.place
	for c := jsonstrict.Begin(n.Value()); ; {
		_, v, next, ok := c.Next()
		if !ok {
			return list
		}
		c = next
		if len(n.raw) > longList {
			v.Raw = strings.Clone(v.Raw)
		}
		list = append(list, Node{doc: n.doc, place: place{parent: at, index: len(list)}, raw: v.Raw})
	}
}

// longList is from how many bytes of text on the elements of a list get memory of their own. All strings of a
// configuration are parts of its text, and to TinyGo's collector, which looks for the start of an object block by
// block, a pointer into the middle of megabytes is thousands of steps.
const longList = 4 << 10

// NonEmptyList is List, with a mistake if the list is there but empty: an empty list of alternatives is
// never what its author meant, and readers disagree on whether it means all or nothing.
func (n Node) NonEmptyList() []Node {
	list := n.List()
	if n.raw != "" && n.Value().IsArray() && len(list) == 0 {
		n.Mistake("the list is empty; name at least one value, or leave the field out")
	}
	return list
}

// String reads a non-empty string.
func (n Node) String(def string) string {
	if n.raw == "" {
		return def
	}
	v := n.Value()
	if v.Type != gjson.String {
		n.wrongType("a string")
		return def
	}
	if v.Str == "" {
		n.Mistake("the string is empty")
	}
	return v.Str
}

// Strings reads a non-empty list of non-empty strings.
func (n Node) Strings() []string {
	var out []string
	for _, e := range n.NonEmptyList() {
		out = append(out, e.String(""))
	}
	return out
}

// Compile reads a non-empty list of patterns and compiles each.
func Compile[M any](n Node, parse func(string) (M, error)) []M {
	count := jsonstrict.Count(n.Value())
	if count == 0 {
		n.NonEmptyList() // says what is wrong, if it is there
		return nil
	}
	out := make([]M, 0, count)
	c := jsonstrict.Begin(n.Value())
	for i := range count {
		_, v, next, _ := c.Next()
		c = next
		if v.Type != gjson.String || v.Str == "" {
			n.elements()[i].String("") // says what is wrong with it
		} else if m, err := parse(v.Str); err != nil {
			n.elements()[i].Mistake("found \"" + v.Str + "\": " + err.Error())
		} else {
			out = append(out, m)
		}
	}
	return out
}

// OneOf reads a string out of a fixed set.
func (n Node) OneOf(def string, allowed ...string) string {
	s := n.String(def)
	if n.raw == "" || n.Value().Type != gjson.String || s == "" {
		return def
	}
	for _, a := range allowed {
		if s == a {
			return s
		}
	}
	n.Mistake("found \"" + s + "\", expected one of " + strings.Join(allowed, ", "))
	return def
}

// Bool reads true or false.
func (n Node) Bool(def bool) bool {
	switch v := n.Value(); {
	case n.raw == "":
		return def
	case v.Type == gjson.True:
		return true
	case v.Type == gjson.False:
		return false
	}
	n.wrongType("true or false")
	return def
}

// Int reads a whole number between low and high, both included.
func (n Node) Int(def, low, high int64) int64 {
	if n.raw == "" {
		return def
	}
	v := n.Value()
	if v.Type != gjson.Number {
		n.wrongType("a whole number")
		return def
	}
	i, err := strconv.ParseInt(v.Raw, 10, 64)
	if err != nil || i < low || i > high {
		n.Mistake("found " + v.Raw + ", expected a whole number from " +
			strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(high, 10))
		return def
	}
	return i
}

// Duration reads "1.5s" or "10m", between low and high, both included.
func (n Node) Duration(def, low, high time.Duration) time.Duration {
	if n.raw == "" {
		return def
	}
	v := n.Value()
	if v.Type != gjson.String {
		n.wrongType("a duration such as \"10s\"")
		return def
	}
	d, err := time.ParseDuration(v.Str)
	if err != nil {
		n.Mistake("found \"" + v.Str + "\", expected a duration such as \"1.5s\" or \"10m\"")
		return def
	}
	if d < low || d > high {
		n.Mistake("found " + v.Str + ", expected a duration from " + low.String() + " to " + high.String())
		return def
	}
	return d
}

// Unsupported records a mistake if the value is there: the field is known, but this version cannot do
// what it asks for, and must not pretend to.
func (n Node) Unsupported() {
	if n.raw != "" {
		n.Mistake("not supported by this version of the filter")
	}
}

func (n Node) member(parent *place, name string, v gjson.Result) Node {
	return Node{doc: n.doc, place: place{parent: parent, name: name, index: -1}, raw: v.Raw}
}

// join appends a member to a path: .name, or ["odd name"] where a dot would mislead.
func join(path, name string) string {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return path + "[" + strconv.Quote(name) + "]"
		}
	}
	if name == "" {
		return path + `[""]`
	}
	return path + "." + name
}

func kind(v gjson.Result) string {
	switch {
	case v.Type == gjson.Null:
		return "null"
	case v.Type == gjson.True || v.Type == gjson.False:
		return v.Raw
	case v.Type == gjson.Number:
		return "the number " + v.Raw
	case v.Type == gjson.String:
		return "the string \"" + v.Str + "\""
	case v.IsArray():
		return "a list"
	}
	return "an object"
}

// suggestion names the known field that the author probably meant, or all of them.
func suggestion(name string, fields []string) string {
	best, bestDistance := "", 3 // more than two edits apart is another word
	for _, f := range fields {
		if d := distance(strings.ToLower(name), strings.ToLower(f)); d < bestDistance {
			best, bestDistance = f, d
		}
	}
	if best != "" {
		return "; did you mean \"" + best + "\"?"
	}
	return "; known here: " + strings.Join(fields, ", ")
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitution := diagonal
			if a[i-1] != b[j-1] {
				substitution++
			}
			diagonal = row[j]
			row[j] = min(row[j]+1, row[j-1]+1, substitution)
		}
	}
	return row[len(b)]
}
