package screen

import (
	"slices"
	"strings"
)

// Pattern is what a Set knows a pattern by.
type Pattern int

// A Builder makes a Set.
type Builder struct {
	needs []need
}

// Expression adds a regular expression in the syntax of RE2; ok is false if it cannot be read.
func (b *Builder) Expression(text string) (p Pattern, ok bool) {
	n, ok := ofExpression(text)
	if !ok {
		return 0, false
	}
	b.needs = append(b.needs, n)
	return Pattern(len(b.needs) - 1), true
}

// Phrases adds a search for any of some texts, whatever their case.
func (b *Builder) Phrases(list []string) Pattern {
	b.needs = append(b.needs, ofPhrases(list))
	return Pattern(len(b.needs) - 1)
}

// Any adds what may match whatever a value is.
func (b *Builder) Any() Pattern {
	b.needs = append(b.needs, nil)
	return Pattern(len(b.needs) - 1)
}

// Set tells of values what patterns cannot match them.
type Set struct {
	automaton automaton
	clauses   []compiled
	patterns  [][]uint16 // the clauses of which a value has to meet all
}

// compiled is a clause.
type compiled struct {
	bytes class
	needs [][]uint16
}

// Build makes the set.
func (b *Builder) Build() *Set {
	s := &Set{patterns: make([][]uint16, len(b.needs))}
	words := map[string][]uint16{}
	for i, n := range b.needs {
		s.patterns[i] = s.addNeed(n, words)
	}
	s.automaton = newAutomaton(words)
	return s
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
	Path                        // an element of a path that is left out when it is normalized
	Casing                      // a character beyond ASCII that is a letter of ASCII's in lower case
)

// Sight is what was seen of a value.
type Sight struct {
	Marks Marks
	bytes class
	met   []uint64 // clauses by their words
	text  []byte
}

// Look looks at a value.
func (s *Set) Look(value string, at *Sight) {
	*at = Sight{text: at.text[:0], met: at.met}
	if len(at.met) == 0 {
		at.met = make([]uint64, (len(s.clauses)+63)/64)
	}
	clear(at.met)
	for i := range len(value) {
		b := folded(value[i])
		at.bytes.add(b)
		if !removable.has(b) {
			at.text = append(at.text, b)
		}
	}
	if at.bytes.meets(&blanks) {
		at.bytes.add(' ')
	}
	s.automaton.run(at.text, at.met)
	at.mark(value)
}

func (at *Sight) mark(value string) {
	if at.bytes.has('\\') {
		at.Marks |= Backslash
	}
	if at.bytes.has(beyond) {
		at.Marks |= Beyond
		if strings.Contains(value, "\u212a") || strings.Contains(value, "\u017f") || strings.Contains(value, "\u0130") {
			at.Marks |= Casing
		}
	}
	t := at.text
	if len(t) > 0 && t[0] == '.' {
		at.Marks |= Path
	}
	if at.bytes.has('#') {
		at.Marks |= Comment
	}
	for i := 0; i+1 < len(t); i++ {
		next := t[i+1]
		switch t[i] {
		case '*':
			if next == '/' {
				at.Marks |= Comment
			}
		case '-':
			if next == '-' {
				at.Marks |= Comment
			}
		case '%':
			if isHex(next) || next == 'u' {
				at.Marks |= Percent
			}
		case '&':
			if next == '#' || 'a' <= next && next <= 'z' {
				at.Marks |= Entity
			}
		case '/':
			switch next {
			case '*':
				at.Marks |= Comment
			case '/', '.':
				at.Marks |= Path
			}
		}
	}
}

func isHex(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' }

// Has tells whether a byte of ASCII that is no letter is in the value.
func (at *Sight) Has(b byte) bool { return at.bytes.has(b) }

// HasRemovable tells whether transformations may leave something out of the value, or make another of it, that has no mark.
func (at *Sight) HasRemovable() bool { return at.bytes.meets(&removable) }

// May tells whether a pattern may match what was seen.
func (s *Set) May(p Pattern, at *Sight) bool { return s.meets(s.patterns[p], at) }

func (s *Set) meets(all []uint16, at *Sight) bool {
	for _, id := range all {
		if !s.meetsClause(id, at) {
			return false
		}
	}
	return true
}

func (s *Set) meetsClause(id uint16, at *Sight) bool {
	if at.met[id/64]>>(id%64)&1 != 0 {
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
