// Package phrase finds phrases of a list in a text, whatever the case of ASCII's letters: @pm and its kin. A list of a
// thousand takes tens of kilobytes, where an automaton would take megabytes in each worker.
package phrase

import (
	"cmp"
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// List is a list of phrases, for searches.
type List struct {
	phrases []string // in lower case, by their first two bytes, the longest first
	pairs   []uint16 // the first two bytes of phrases, in order, each once
	from    []uint32 // where those that begin with them are in phrases; one more, for the end
	begins  [1 << 16 / 64]uint64
	ones    [256]bool // phrases of one byte
	empty   bool      // one is empty, and so everywhere
}

// New makes a list as @pm and @pmFromFile have it, which take letters of any alphabet in a phrase for their lower case.
func New(phrases []string) *List { return newList(phrases, strings.ToLower) }

// NewASCII makes a list as @pmFromDataset has it: letters that are not ASCII's are found as they are written.
func NewASCII(phrases []string) *List { return newList(phrases, ascii.Lower) }

func newList(phrases []string, lower func(string) string) *List {
	l := &List{}
	for _, p := range phrases {
		switch p = lower(p); len(p) {
		case 0:
			l.empty = true
		case 1:
			l.ones[p[0]] = true
		default:
			l.phrases = append(l.phrases, p)
		}
	}
	slices.SortFunc(l.phrases, func(a, b string) int {
		return cmp.Or(cmp.Compare(pair(a[0], a[1]), pair(b[0], b[1])), cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	l.phrases = slices.Compact(l.phrases)
	for i, p := range l.phrases {
		first := pair(p[0], p[1])
		if n := len(l.pairs); n == 0 || l.pairs[n-1] != first {
			l.pairs = append(l.pairs, first)
			l.from = append(l.from, uint32(i))
			l.begins[first/64] |= 1 << (first % 64)
		}
	}
	l.from = append(l.from, uint32(len(l.phrases)))
	return l
}

// Lines are the phrases of a file: one a line, but for comments.
func Lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

func pair(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// Contains tells whether one of the phrases is in a text.
func (l *List) Contains(text string) bool {
	if l.empty {
		return true
	}
	_, _, found := l.next(text, 0)
	return found
}

// Find finds at most n phrases that do not overlap: each begins as early as one can, and is the longest that begins there.
// It calls yield with each.
func (l *List) Find(text string, n int, yield func(phrase string)) (found int) {
	for at := 0; found < n; found++ {
		start, end, ok := l.next(text, at)
		if !ok {
			break
		}
		yield(text[start:end])
		at = end
	}
	if found == 0 && l.empty && n > 0 {
		yield("")
		found = 1
	}
	return found
}

// next finds the first phrase that is not empty.
func (l *List) next(text string, at int) (start, end int, found bool) {
	for i := at; i < len(text); i++ {
		b := folded(text[i])
		if i+1 < len(text) {
			first := pair(b, folded(text[i+1]))
			if l.begins[first/64]>>(first%64)&1 != 0 {
				if n := l.at(text[i:], first); n > 0 {
					return i, i + n, true
				}
			}
		}
		if l.ones[b] {
			return i, i + 1, true
		}
	}
	return 0, 0, false
}

// at is how long the longest phrase is that a text begins with.
func (l *List) at(text string, first uint16) int {
	i, _ := slices.BinarySearch(l.pairs, first)
	for _, p := range l.phrases[l.from[i]:l.from[i+1]] {
		if beginsWith(text, p) {
			return len(p)
		}
	}
	return 0
}

func beginsWith(text, phrase string) bool {
	if len(text) < len(phrase) {
		return false
	}
	for i := 2; i < len(phrase); i++ {
		if folded(text[i]) != phrase[i] {
			return false
		}
	}
	return true
}

func folded(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
