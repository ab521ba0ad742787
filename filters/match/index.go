package match

import "strings"

// Index finds which of many patterns may match a value, in time that depends on the value and on how many do,
// not on how many there are. What it finds is to be matched still: for a template with {**} in its middle it
// looks only at what is before.
//
// Patterns go by numbers of the caller's choice; several may share one. The zero Index is empty. Adding is not
// safe for concurrent use, finding is.
type Index struct {
	forward, backward trie
	always            []uint32 // of patterns that match nearly anything
}

// Reserve makes room for so many patterns, so that the index need not be moved as it grows.
func (x *Index) Reserve(patterns int) {
	t := &x.forward
	t.nodes = append(make([]node, 0, 1+2*patterns), t.nodes...)
	t.links = append(make([]link, 0, 1+patterns), t.links...)
	if len(t.nodes) == 0 {
		t.nodes = append(t.nodes, node{})
	}
	if len(t.links) == 0 {
		t.links = append(t.links, link{})
	}
}

// AddString adds a pattern.
func (x *Index) AddString(p String, id uint32) {
	switch p.kind {
	case equal:
		n := x.forward.node(0, p.text)
		x.forward.put(&x.forward.nodes[n].whole, id)
	case prefix:
		n := x.forward.node(0, p.text)
		x.forward.put(&x.forward.nodes[n].start, id)
	case suffix:
		n := x.backward.node(0, reverse(p.text))
		x.backward.put(&x.backward.nodes[n].start, id)
	default:
		x.always = append(x.always, id)
	}
}

// AddHost adds a pattern to be found by AppendHost.
func (x *Index) AddHost(p Host, id uint32) { x.AddString(p.pattern, id) }

// AddPath adds a pattern.
func (x *Index) AddPath(p Path, id uint32) {
	if !p.template {
		x.AddString(p.text, id)
		return
	}
	t := &x.forward
	at := uint32(0)
	for template, more := p.head, true; more; {
		var segment string
		segment, template, more = strings.Cut(template, "/")
		if segment == anySegment {
			at = t.star(at)
		} else {
			at = t.node(at, segment)
		}
		if more || p.rest {
			at = t.node(at, "/")
		}
	}
	if p.rest {
		t.put(&t.nodes[at].start, id)
	} else {
		t.put(&t.nodes[at].whole, id)
	}
}

// Append appends the numbers of the patterns that may match a value, some perhaps more than once.
func (x *Index) Append(to []uint32, value string) []uint32 {
	if value != "" {
		to = append(to, x.always...)
	}
	to = x.forward.find(to, 0, value)
	return x.backward.findBackward(to, value)
}

// AppendHost is Append for an authority, to which patterns with and without a port may apply.
func (x *Index) AppendHost(to []uint32, authority string) []uint32 {
	name, port := splitPort(authority)
	to = x.Append(to, name)
	if port != "" {
		to = x.Append(to, authority)
	}
	return to
}

// trie is a radix tree in two slices without pointers, so that a garbage collector has nothing to look at.
type trie struct {
	nodes []node // the first is the root, whose number means "none" elsewhere
	links []link // the first is not used
	text  []byte // of all edges
}

type node struct {
	from, to     uint32 // text of the edge to this node
	child, next  uint32 // first child; next sibling
	star         uint32 // child behind one segment of any name
	whole, start uint32 // links of the patterns that end here, and of those that go on anyhow
}

type link struct{ id, next uint32 }

func (t *trie) put(head *uint32, id uint32) {
	if t.links == nil {
		t.links = make([]link, 1)
	}
	t.links = append(t.links, link{id: id, next: *head})
	*head = uint32(len(t.links) - 1)
}

// node is the node that text leads to from another, made if need be.
func (t *trie) node(at uint32, text string) uint32 {
	if t.nodes == nil {
		t.nodes = make([]node, 1)
	}
	for text != "" {
		c := t.childOf(at, text[0])
		if c == 0 {
			return t.add(at, text)
		}
		n := &t.nodes[c]
		edge := t.text[n.from:n.to]
		common := 1
		for common < len(edge) && common < len(text) && edge[common] == text[common] {
			common++
		}
		if common < len(edge) {
			// The edge splits: a new node below takes over all that this one had.
			lower := *n
			lower.from, lower.next = n.from+uint32(common), 0
			*n = node{from: n.from, to: lower.from, child: uint32(len(t.nodes)), next: n.next}
			t.nodes = append(t.nodes, lower)
		}
		at, text = c, text[common:]
	}
	return at
}

func (t *trie) childOf(at uint32, first byte) uint32 {
	c := t.nodes[at].child
	for c != 0 && t.text[t.nodes[c].from] != first {
		c = t.nodes[c].next
	}
	return c
}

func (t *trie) add(parent uint32, text string) uint32 {
	from := uint32(len(t.text))
	t.text = append(t.text, text...)
	added := uint32(len(t.nodes))
	t.nodes = append(t.nodes, node{from: from, to: uint32(len(t.text)), next: t.nodes[parent].child})
	t.nodes[parent].child = added
	return added
}

func (t *trie) star(at uint32) uint32 {
	if t.nodes == nil {
		t.nodes = make([]node, 1)
	}
	if t.nodes[at].star == 0 {
		t.nodes = append(t.nodes, node{})
		t.nodes[at].star = uint32(len(t.nodes) - 1)
	}
	return t.nodes[at].star
}

// find follows the value from a node. It calls itself only for {*}, as deep as a pattern has such segments.
func (t *trie) find(to []uint32, at uint32, value string) []uint32 {
	if t.nodes == nil {
		return to
	}
	for {
		n := &t.nodes[at]
		to = t.collect(to, n.start)
		if value == "" {
			return t.collect(to, n.whole)
		}
		if n.star != 0 {
			end := strings.IndexByte(value, '/')
			if end < 0 {
				end = len(value)
			}
			if end > 0 {
				to = t.find(to, n.star, value[end:])
			}
		}
		at = t.childOf(at, value[0])
		if at == 0 {
			return to
		}
		n = &t.nodes[at]
		edge := t.text[n.from:n.to]
		if !startsWith(value, edge) {
			return to
		}
		value = value[len(edge):]
	}
}

// startsWith compares byte by byte: TinyGo would allocate a string of the bytes for it.
func startsWith(value string, edge []byte) bool {
	if len(edge) > len(value) {
		return false
	}
	for i := range edge {
		if edge[i] != value[i] {
			return false
		}
	}
	return true
}

// findBackward follows the value from its end.
func (t *trie) findBackward(to []uint32, value string) []uint32 {
	if t.nodes == nil {
		return to
	}
	for at := uint32(0); ; {
		to = t.collect(to, t.nodes[at].start)
		if value == "" {
			return to
		}
		at = t.childOf(at, value[len(value)-1])
		if at == 0 {
			return to
		}
		edge := t.text[t.nodes[at].from:t.nodes[at].to]
		if len(edge) > len(value) {
			return to
		}
		for i := range edge {
			if edge[i] != value[len(value)-1-i] {
				return to
			}
		}
		value = value[:len(value)-len(edge)]
	}
}

func (t *trie) collect(to []uint32, head uint32) []uint32 {
	for ; head != 0; head = t.links[head].next {
		to = append(to, t.links[head].id)
	}
	return to
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
