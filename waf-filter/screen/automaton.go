package screen

import (
	"maps"
	"slices"
)

// automaton finds all words of a list in a text, as Aho and Corasick have it: a table of what state follows a state by a symbol.
type automaton struct {
	symbols [128]uint8 // of bytes in normal form; 0: in no word
	width   int
	next    []uint16   // by state and symbol
	ends    [][]uint16 // what the words say that end in a state
}

// maxStates is how many there may be; with more, a word's number would not fit.
const maxStates = 1 << 16

// newAutomaton makes the automaton of some words and what each says; ok is false if they are too many.
func newAutomaton(words map[string][]uint16) (a automaton, ok bool) {
	sorted := slices.Sorted(maps.Keys(words))
	a.width = 1
	states, last := 1, ""
	for _, w := range sorted {
		for i := range len(w) {
			if s := &a.symbols[w[i]]; *s == 0 {
				*s = uint8(a.width)
				a.width++
			}
		}
		states += len(w) - commonLength(w, last)
		last = w
	}
	if states > maxStates {
		return a, false
	}
	a.next, a.ends = make([]uint16, states*a.width), make([][]uint16, states)
	used := 1
	for _, w := range sorted {
		state := 0
		for i := range len(w) {
			next := &a.next[state*a.width+int(a.symbols[w[i]])]
			if *next == 0 {
				*next = uint16(used)
				used++
			}
			state = int(*next)
		}
		a.ends[state] = words[w]
	}
	a.link()
	return a, true
}

// commonLength is how long the beginning is that two texts have in common.
func commonLength(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// link gives each state what follows the longest of its ends that is another state, where no word goes on.
func (a *automaton) link() {
	fallback := make([]uint16, len(a.ends))
	queue := []uint16{0}
	for len(queue) > 0 {
		state := int(queue[0])
		queue = queue[1:]
		from := int(fallback[state])
		if state != 0 {
			a.ends[state] = union(a.ends[state], a.ends[from])
		}
		for symbol := range a.width {
			to := a.next[state*a.width+symbol]
			other := uint16(0)
			if state != 0 {
				other = a.next[from*a.width+symbol]
			}
			if to == 0 {
				a.next[state*a.width+symbol] = other
				continue
			}
			fallback[to] = other
			queue = append(queue, to)
		}
	}
}

func union(a, b []uint16) []uint16 {
	if len(b) == 0 {
		return a
	}
	out := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
