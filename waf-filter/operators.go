//go:build tinygo.wasm

package main

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	wasilibs "github.com/corazawaf/coraza-wasilibs"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	ahocorasick "github.com/wasilibs/go-aho-corasick"
)

// The operators that decide by large tables or automata are C++ in the module: re2, an Aho-Corasick automaton and
// libinjection, compiled to Wasm beforehand. The Go ones are correct, too, but slow to compile and to run.
//
// What they build is never freed, as nobody tells C++ that a rule set is gone. So it is built once for each pattern, by the tag
// memoize_builders, and by newPhrases; another rule set of the same rules needs no more.
func init() {
	wasilibs.RegisterRX()
	wasilibs.RegisterPM()
	wasilibs.RegisterSQLi()
	wasilibs.RegisterXSS()
	plugins.RegisterOperator("pmFromFile", newPhrases)
	plugins.RegisterOperator("pmf", newPhrases)
}

// phrases is @pmFromFile: one of the phrases of a file is in the value, whatever its case.
type phrases struct {
	automaton ahocorasick.AhoCorasick
}

// automata are by file: those of the module never change.
var automata = map[string]ahocorasick.AhoCorasick{}

var errNoFile = errors.New("there is no such file of phrases")

func newPhrases(options plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	for _, dir := range options.Path {
		file := path.Join(dir, options.Arguments)
		if a, ok := automata[file]; ok {
			return &phrases{a}, nil
		}
		text, err := fs.ReadFile(options.Root, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		automata[file] = build(string(text))
		return &phrases{automata[file]}, nil
	}
	return nil, errNoFile
}

// build makes an automaton of a file with a phrase on each line, or a comment.
func build(text string) ahocorasick.AhoCorasick {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, strings.ToLower(line))
		}
	}
	b := ahocorasick.NewAhoCorasickBuilder(ahocorasick.Opts{AsciiCaseInsensitive: true, MatchKind: ahocorasick.LeftMostLongestMatch})
	return b.Build(list)
}

// maxCaptures is how many matches are captured, as TX:0 to TX:9.
const maxCaptures = 10

// Evaluate implements plugintypes.Operator.
func (p *phrases) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return len(p.automaton.FindN(value, 1)) > 0
	}
	matches := p.automaton.FindN(value, maxCaptures)
	for i := range matches {
		tx.CaptureField(i, value[matches[i].Start():matches[i].End()])
	}
	return len(matches) > 0
}
