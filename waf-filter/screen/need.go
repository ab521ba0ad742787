package screen

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// A need is what a value has to have for a pattern to match it, as far as it is known: something of each clause. Without a clause it
// is known of nothing.
type need []clause

// clause has alternatives: a byte, a word in normal form, or all that another need says. With none it can never be met.
type clause struct {
	bytes class
	words []string
	needs []need
}

const (
	// maxExact is how many texts are followed through a concatenation: "un" and then "ion" or "ique" are two.
	maxExact = 32
	// maxWord is how much of a word is looked for. With more of it the automaton would be larger, and find hardly less.
	maxWord = 7
	// common is how many bytes a class has of which some byte is in nearly every value.
	common = 60
)

// found is what is known of a part of an expression: all texts that it matches, or else what they need.
type found struct {
	exact []string // nil: they are too many
	need  need
}

// ofExpression is the need of a regular expression; ok is false if it cannot be read.
func ofExpression(text string) (n need, ok bool) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, false
	}
	return read(re).needed(), true
}

// ofPhrases is the need of a search for any of some texts.
func ofPhrases(list []string) need { return found{exact: list}.needed() }

func read(re *syntax.Regexp) found {
	switch re.Op {
	case syntax.OpNoMatch:
		return found{need: need{{}}}
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return found{exact: []string{""}}
	case syntax.OpLiteral:
		return literal(re.Rune)
	case syntax.OpCharClass:
		return characters(re.Rune)
	case syntax.OpCapture:
		return read(re.Sub[0])
	case syntax.OpQuest:
		if sub := read(re.Sub[0]); sub.exact != nil {
			return found{exact: append(slices.Clone(sub.exact), "")}
		}
	case syntax.OpPlus:
		return found{need: read(re.Sub[0]).needed()}
	case syntax.OpRepeat:
		if re.Min > 0 {
			return found{need: repeated(read(re.Sub[0]), re.Min).needed()}
		}
	case syntax.OpConcat:
		return concatenation(re.Sub)
	case syntax.OpAlternate:
		return alternation(re.Sub)
	}
	return found{} // any character, or none at all
}

// literal reads characters in a row. Those beyond ASCII may be written in more than one way, and end what is known exactly.
func literal(runes []rune) found {
	var text strings.Builder
	var n need
	for _, r := range runes {
		if r >= 0x80 {
			n = append(n, clause{bytes: classOf("\x80")})
			continue
		}
		text.WriteByte(folded(byte(r)))
	}
	if n == nil {
		return found{exact: []string{text.String()}}
	}
	return found{need: n[:1]}
}

// characters reads a class of characters, given as pairs of the first and the last of a range.
func characters(ranges []rune) found {
	var c class
	var list []string
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= min(ranges[i+1], 0x7f); r++ {
			if b := folded(byte(r)); !c.has(b) {
				c.add(b)
				list = append(list, string(rune(b)))
			}
		}
		if ranges[i+1] > 0x7f {
			c.add(beyond)
		}
	}
	if len(list) <= 4 && !c.has(beyond) {
		return found{exact: list}
	}
	if len(list) > common {
		return found{}
	}
	return found{need: need{{bytes: c}}}
}

func concatenation(parts []*syntax.Regexp) found {
	exact, whole := []string{""}, true
	var n need
	flush := func(next []string) {
		n = append(n, found{exact: exact}.needed()...)
		exact, whole = next, false
	}
	for _, part := range parts {
		p := read(part)
		switch {
		case p.exact == nil:
			flush([]string{""})
			n = append(n, p.need...)
		case len(exact)*len(p.exact) > maxExact:
			flush(p.exact)
		default:
			exact = product(exact, p.exact)
		}
	}
	if whole {
		return found{exact: exact}
	}
	flush(nil)
	return found{need: n}
}

// repeated is something a few times in a row, as far as it is followed.
func repeated(f found, times int) found {
	if f.exact == nil {
		return f
	}
	exact := f.exact
	for range min(times, maxWord) - 1 {
		if len(exact)*len(f.exact) > maxExact {
			break
		}
		exact = product(exact, f.exact)
	}
	return found{exact: exact}
}

func product(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, first := range a {
		for _, second := range b {
			out = append(out, first+second)
		}
	}
	return out
}

func alternation(parts []*syntax.Regexp) found {
	var exact []string
	var any clause
	unknown := false
	for _, part := range parts {
		p := read(part)
		if p.exact != nil {
			exact = append(exact, p.exact...)
			continue
		}
		switch n := p.need; {
		case len(n) == 0:
			unknown = true
		case len(n) == 1: // which says no more than its alternatives
			any.bytes = any.bytes.or(n[0].bytes)
			any.words = append(any.words, n[0].words...)
			any.needs = append(any.needs, n[0].needs...)
		default:
			any.needs = append(any.needs, n)
		}
	}
	switch {
	case unknown:
		return found{}
	case exact == nil:
		return found{need: need{any}}
	case any.isEmpty():
		return found{exact: exact}
	}
	for _, text := range exact {
		n := found{exact: []string{text}}.needed()
		if len(n) == 0 {
			return found{}
		}
		any.needs = append(any.needs, n)
	}
	return found{need: need{any}}
}

func (c *clause) isEmpty() bool { return c.bytes == class{} && c.words == nil && c.needs == nil }

// needed is what is needed for one of the texts, if they are known.
func (f found) needed() need {
	if f.exact == nil {
		return f.need
	}
	var any, signs clause
	each := true // text has a sign
	for _, text := range f.exact {
		if text == "" {
			return nil
		}
		c := classOf(text)
		rare := c.minus(&plain)
		if rare == (class{}) {
			each = false
		}
		signs.bytes = signs.bytes.or(first(rare))
		word := normal(text)
		if len(word) > maxWord {
			word = word[:maxWord]
		}
		switch {
		case c.has(beyond):
			any.bytes.add(beyond)
		case len(word) > 1:
			any.words = append(any.words, word)
		case rare != class{}:
			any.bytes = any.bytes.or(first(rare))
		default:
			any.bytes = any.bytes.or(first(c))
		}
	}
	if each {
		return need{any, signs}
	}
	return need{any}
}
