package screen

import (
	"slices"

	"golang.org/x/net/html"
)

// A Builder makes a Set. Patterns are known by a number, from 0, in the order in which they were added.
type Builder struct {
	needs []need
}

// Expression adds a regular expression in the syntax of RE2; ok is false if it cannot be read.
func (b *Builder) Expression(text string) (ok bool) {
	n, ok := ofExpression(text)
	if ok {
		b.needs = append(b.needs, n)
	}
	return ok
}

// Phrases adds a search for any of some texts, whatever the case of ASCII's letters.
func (b *Builder) Phrases(list []string) { b.needs = append(b.needs, ofPhrases(list)) }

// Any adds what may match whatever a value is.
func (b *Builder) Any() { b.needs = append(b.needs, nil) }

// Injection adds a search for an injection of SQL, as libinjection does it. A word alone is none: what is told of is the kinds of words in
// a row, and no kind by itself.
func (b *Builder) Injection() {
	var c class
	for i := range byte(0x80) {
		c.add(folded(i))
	}
	c.add(beyond)
	letters := classOf("abcdefghijklmnopqrstuvwxyz0123456789_")
	b.needs = append(b.needs, need{{bytes: c.minus(&letters)}})
}

// Scripting adds a search for cross-site scripting, as libinjection does it. It tells of tags, and of values of attributes.
func (b *Builder) Scripting() {
	b.needs = append(b.needs, need{{bytes: classOf("<=")}})
}

// Bytes adds a search for any of some bytes.
func (b *Builder) Bytes(list string) { b.needs = append(b.needs, need{{bytes: classOf(list)}}) }

// Set tells of values what patterns cannot match them.
type Set struct {
	automaton automaton
	clauses   []compiled
	patterns  [][]uint16 // the clauses of which a value has to meet all
	// The first of them, as far as a byte or a word meets it, is looked up for all patterns together.
	byByte  [128]Bits
	byWord  []Bits // by clause
	ungated Bits   // patterns of which none can be
}

// compiled is a clause.
type compiled struct {
	bytes class
	needs [][]uint16
}

// Build makes the set; it is nil if there are too many words.
func (b *Builder) Build() *Set {
	n := len(b.needs)
	s := &Set{patterns: make([][]uint16, n), ungated: NewBits(n)}
	words := map[string][]uint16{}
	for i, n := range b.needs {
		s.patterns[i] = s.addNeed(n, words)
		b.needs[i] = nil
	}
	var ok bool
	if s.automaton, ok = newAutomaton(words); !ok || len(s.clauses) > 1<<16 {
		return nil
	}
	for i := range s.byByte {
		s.byByte[i] = NewBits(n)
	}
	s.byWord = make([]Bits, len(s.clauses))
	for p := range s.patterns {
		s.addGate(p)
	}
	return s
}

// addGate has a pattern looked up by the first of its clauses that has no needs.
func (s *Set) addGate(pattern int) {
	for _, id := range s.patterns[pattern] {
		c := &s.clauses[id]
		if c.needs != nil {
			continue
		}
		for b := range s.byByte {
			if c.bytes.has(byte(b)) {
				s.byByte[b].Add(pattern)
			}
		}
		s.byWord[id] = NewBits(len(s.patterns))
		s.byWord[id].Add(pattern)
		return
	}
	s.ungated.Add(pattern)
}

func (s *Set) addNeed(n need, words map[string][]uint16) []uint16 {
	var ids []uint16
	for _, c := range n {
		k := compiled{bytes: c.bytes}
		for _, inner := range c.needs {
			k.needs = append(k.needs, s.addNeed(inner, words))
		}
		id := uint16(len(s.clauses))
		s.clauses = append(s.clauses, k)
		for _, w := range c.words {
			if !slices.Contains(words[w], id) {
				words[w] = append(words[w], id)
			}
		}
		ids = append(ids, id)
	}
	return ids
}

// Marks are what a value has that transformations of a kind may change into something else.
type Marks uint8

const (
	Percent   Marks = 1 << iota // an escape of URLs
	Entity                      // what may be an entity of HTML
	Backslash                   // which begins an escape in JavaScript, CSS and shells, and separates a path on Windows
	Comment                     // what begins or ends a comment
	Beyond                      // a byte beyond ASCII
	Path                        // of which something is left out, or added, when it is normalized as a path
	Casing                      // a character beyond ASCII that is a letter of ASCII's in lower case
	Split                       // one of the others, once something is left out that is removable
)

// Sight is what was seen of a value.
type Sight struct {
	Marks Marks
	bytes class
	met   Bits   // clauses by their words
	all   []byte // the value in lower case
	text  []byte // in normal form
	// Candidates are the patterns that may match as far as could be told of all together; May tells more.
	Candidates Bits
}

// maxKept is how much memory is kept for the next value.
const maxKept = 32 << 10

// Look looks at a value.
func (s *Set) Look(value string, at *Sight) {
	if at.met == nil {
		at.met, at.Candidates = NewBits(len(s.clauses)), NewBits(len(s.patterns))
	}
	clear(at.met)
	copy(at.Candidates, s.ungated)
	if cap(at.all) > maxKept && len(value) < maxKept {
		at.all, at.text = nil, nil // of a body that was large
	}
	at.Marks, at.bytes, at.all, at.text = 0, class{}, at.all[:0], at.text[:0]
	for i := range len(value) {
		b := folded(value[i])
		at.bytes.add(b)
		at.all = append(at.all, b)
		if !removable.has(b) {
			at.text = append(at.text, b)
		}
	}
	if at.bytes.meets(&blanks) || at.bytes.has(beyond) { // among which are blanks
		at.bytes.add(' ')
	}
	s.find(at)
	for half, w := range at.bytes {
		for w != 0 {
			var i int
			i, w = next(w)
			at.Candidates.Or(s.byByte[half*64+i])
		}
	}
	at.mark(value)
}

// find notes the clauses that are met by words.
func (s *Set) find(at *Sight) {
	a := &s.automaton
	state := 0
	for _, b := range at.text {
		state = int(a.next[state*a.width+int(a.symbols[b])])
		for _, id := range a.ends[state] {
			if at.met.Has(int(id)) {
				continue
			}
			at.met.Add(int(id))
			if patterns := s.byWord[id]; patterns != nil {
				at.Candidates.Or(patterns)
			}
		}
	}
}

func (at *Sight) mark(value string) {
	at.Marks = at.marksOf(at.all)
	if len(at.text) != len(at.all) && at.marksOf(at.text)&^at.Marks != 0 {
		at.Marks |= Split
	}
	if at.bytes.has('\\') {
		at.Marks |= Backslash
	}
	if at.bytes.has('#') {
		at.Marks |= Comment
	}
	if at.bytes.has(beyond) {
		at.Marks |= Beyond
		if hasCasing(value) {
			at.Marks |= Casing
		}
	}
}

// marksOf are the marks that a text in lower case has by what stands beside each other.
func (at *Sight) marksOf(t []byte) (m Marks) {
	if isPath(t, at.bytes.has(':')) {
		m |= Path
	}
	for i := 0; i+1 < len(t); i++ {
		next := t[i+1]
		switch t[i] {
		case '.':
			if next == '/' { // on Windows, elements have no dots at their ends
				m |= Path
			}
		case '*':
			if next == '/' {
				m |= Comment
			}
		case '-':
			if next == '-' {
				m |= Comment
			}
		case '%':
			if next == 'u' || isHex(next) && i+2 < len(t) && isHex(t[i+2]) {
				m |= Percent
			}
		case '&':
			if next == '#' || 'a' <= next && next <= 'z' && (at.bytes.has(';') || beginsEntity(t[i:])) {
				m |= Entity
			}
		case '/':
			switch next {
			case '*':
				m |= Comment
			case '/', '.':
				m |= Path
			}
		}
	}
	return m
}

// isPath tells of a text in lower case whether its ends are not those of a normalized path. Coraza makes // of /, and on Windows
// a/ of a:stream/.
func isPath(text []byte, hasColon bool) bool {
	if len(text) == 0 {
		return false
	}
	return text[0] == '.' || text[len(text)-1] == '/' && (len(text) == 1 || hasColon)
}

// hasCasing tells whether there is a K, ſ or İ in a value, or would be without what is removable.
func hasCasing(value string) bool {
	var last, one byte // before the byte that is looked at
	for i := range len(value) {
		b := value[i]
		if b < 0x80 && removable.has(folded(b)) {
			continue
		}
		switch {
		case last == 0xe2 && one == 0x84 && b == 0xaa, one == 0xc5 && b == 0xbf, one == 0xc4 && b == 0xb0:
			return true
		}
		last, one = one, b
	}
	return false
}

// beginsEntity tells whether a text in lower case, which begins with &, begins with an entity that needs no semicolon behind it.
// Those are the oldest, and each has a name in lower case, too.
func beginsEntity(text []byte) bool {
	const longest = 6
	word := string(text[:min(len(text), 1+longest)])
	return html.UnescapeString(word) != word
}

func isHex(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' }

// Has tells whether a byte of ASCII that is no letter is in the value.
func (at *Sight) Has(b byte) bool { return at.bytes.has(b) }

// HasRemovable tells whether transformations may leave something out of the value, or make another of it, that has no mark.
func (at *Sight) HasRemovable() bool { return at.bytes.meets(&removable) }

// May tells whether a pattern may match what was seen.
func (s *Set) May(pattern int, at *Sight) bool { return s.meets(s.patterns[pattern], at) }

func (s *Set) meets(all []uint16, at *Sight) bool {
	for _, id := range all {
		if !s.meetsClause(id, at) {
			return false
		}
	}
	return true
}

func (s *Set) meetsClause(id uint16, at *Sight) bool {
	if at.met.Has(int(id)) {
		return true
	}
	c := &s.clauses[id]
	if c.bytes.meets(&at.bytes) {
		return true
	}
	for _, n := range c.needs {
		if s.meets(n, at) {
			return true
		}
	}
	return false
}
