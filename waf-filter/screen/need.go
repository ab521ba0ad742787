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

// found is what is known of a part of an expression.
type found struct {
	// exact are all texts that it matches, in normal form or not; nil: they are too many. A value that has an escape may have
	// something else between their characters.
	exact  []string
	escape class
	need   need // beside what exact says
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

// nothing is what matches the empty text only, as far as normal form goes.
var nothing = []string{""}

func read(re *syntax.Regexp) found {
	switch re.Op {
	case syntax.OpNoMatch:
		return found{need: need{{}}}
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return found{exact: nothing}
	case syntax.OpLiteral:
		return literal(re.Rune)
	case syntax.OpCharClass:
		return characters(re.Rune)
	case syntax.OpCapture:
		return read(re.Sub[0])
	case syntax.OpStar, syntax.OpQuest:
		return optional(re)
	case syntax.OpPlus:
		return repeated(re.Sub[0], 1, false)
	case syntax.OpRepeat:
		if re.Min == 0 {
			return optional(re)
		}
		return repeated(re.Sub[0], re.Min, re.Max == re.Min)
	case syntax.OpConcat:
		return concatenation(re.Sub)
	case syntax.OpAlternate:
		return alternation(re.Sub)
	}
	return found{} // any character, or none at all
}

// optional reads what may be there or not. Where it is of bytes that normal form is without, or of few others, it can be
// read over, so that what is around it makes a word: in values that have none of the others.
func optional(re *syntax.Regexp) found {
	sub := read(re.Sub[0])
	if re.Op == syntax.OpQuest && sub.exact != nil && len(sub.exact) <= 2 {
		return found{exact: append(slices.Clone(sub.exact), ""), escape: sub.escape}
	}
	if all := alphabet(re.Sub[0]).minus(&removable); all.isRare() {
		return found{exact: nothing, escape: all}
	}
	for _, c := range sub.needed() {
		if c.words == nil && c.needs == nil && c.bytes.isRare() && !c.bytes.meets(&removable) {
			return found{exact: nothing, escape: c.bytes}
		}
	}
	if re.Op == syntax.OpQuest && sub.exact != nil {
		return found{exact: append(slices.Clone(sub.exact), ""), escape: sub.escape}
	}
	return found{}
}

// repeated reads what is there a few times in a row; no more often than that if it is exactly so.
func repeated(re *syntax.Regexp, times int, exactly bool) found {
	sub := read(re)
	n := sub.needed()
	if all := alphabet(re).minus(&removable); all == (class{}) {
		return found{exact: nothing, need: n}
	}
	if sub.exact == nil {
		return found{need: n}
	}
	exact := sub.exact
	count := 1
	for ; count < min(times, maxWord) && len(exact)*len(sub.exact) <= maxExact; count++ {
		exact = product(exact, sub.exact)
	}
	if exactly && count == times {
		return found{exact: exact, escape: sub.escape, need: sub.need}
	}
	return found{need: found{exact: exact, escape: sub.escape, need: sub.need}.needed()}
}

// alphabet is of what bytes a match can be.
func alphabet(re *syntax.Regexp) (c class) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			c.add(folded(byte(min(r, 0x80))))
		}
	case syntax.OpCharClass:
		c, _ = bytesOf(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		c = class{^uint64(0), ^uint64(0)}
	}
	for _, sub := range re.Sub {
		c = c.or(alphabet(sub))
	}
	return c
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

// characters reads a class of characters.
func characters(ranges []rune) found {
	c, list := bytesOf(ranges)
	switch {
	case len(list) <= 4 && !c.has(beyond):
		return found{exact: list}
	case len(list) > common:
		return found{}
	case c.minus(&removable) == class{}:
		return found{exact: nothing, need: need{{bytes: c}}}
	}
	return found{need: need{{bytes: c}}}
}

// bytesOf is the class of pairs of the first and the last character of a range, and those of ASCII in it.
func bytesOf(ranges []rune) (c class, list []string) {
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
	return c, list
}

func concatenation(parts []*syntax.Regexp) found {
	f := found{exact: nothing}
	whole := true
	var n need
	flush := func(next found) {
		n = append(n, f.needed()...)
		f, whole = next, false
	}
	for _, part := range parts {
		p := read(part)
		switch {
		case p.exact == nil:
			flush(found{exact: nothing})
			n = append(n, p.need...)
		case len(f.exact)*len(p.exact) > maxExact:
			flush(p)
		default:
			f = found{exact: product(f.exact, p.exact), escape: f.escape.or(p.escape), need: slices.Concat(f.need, p.need)}
		}
	}
	if whole {
		return f
	}
	flush(found{})
	return found{need: n}
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
	var escape class
	var any clause
	unknown := false
	for _, part := range parts {
		p := read(part)
		if p.exact != nil { // what it needs beside is only for this alternative
			exact = append(exact, p.exact...)
			escape = escape.or(p.escape)
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
		return found{exact: exact, escape: escape}
	}
	for _, text := range exact {
		n := found{exact: []string{text}, escape: escape}.needed()
		if len(n) == 0 {
			return found{}
		}
		any.needs = append(any.needs, n)
	}
	return found{need: need{any}}
}

func (c *clause) isEmpty() bool { return c.bytes == class{} && c.words == nil && c.needs == nil }

// needed is what is needed in all.
func (f found) needed() need {
	n := f.need
	if f.exact == nil {
		return n
	}
	var any, signs clause
	each := true // text has a sign
	for _, text := range f.exact {
		if text == "" {
			return n
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
			any.bytes = any.bytes.or(f.escape)
		case rare != class{}:
			any.bytes = any.bytes.or(first(rare))
		default:
			any.bytes = any.bytes.or(first(c))
		}
	}
	if n = append(slices.Clip(n), any); each {
		n = append(n, signs)
	}
	return n
}
