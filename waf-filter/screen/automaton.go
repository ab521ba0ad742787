package screen

import "slices"

// automaton finds all words of a list in a text, as Aho and Corasick have it: a table of what state follows a state by a symbol.
type automaton struct {
	symbols [128]uint8 // of bytes in normal form; 0: in no word
	width   int
	next    []uint16   // by state and symbol
	ends    [][]uint16 // what the words say that end in a state
}

func newAutomaton(words map[string][]uint16) automaton {
	a := automaton{width: 1}
	for w := range words {
		for i := range len(w) {
			if s := &a.symbols[w[i]]; *s == 0 {
				*s = uint8(a.width)
				a.width++
			}
		}
	}
	a.addState()
	for w, ends := range words {
		state := 0
		for i := range len(w) {
			at := state*a.width + int(a.symbols[w[i]])
			if a.next[at] == 0 {
				a.next[at] = uint16(a.addState())
			}
			state = int(a.next[at])
		}
		a.ends[state] = ends
	}
	a.link()
	return a
}

func (a *automaton) addState() int {
	a.next = append(a.next, make([]uint16, a.width)...)
	a.ends = append(a.ends, nil)
	return len(a.ends) - 1
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
