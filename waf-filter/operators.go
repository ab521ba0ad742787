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
	"github.com/wasilibs/go-libinjection"
	"github.com/wasilibs/go-re2"
	"github.com/wasilibs/go-re2/experimental"

	"github.com/palisade-mesh/palisade/waf-filter/pattern"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// The operators that decide by large tables or automata are C++ in the module: re2, an Aho-Corasick automaton and
// libinjection, compiled to Wasm beforehand. The Go ones are correct, too, but slow to compile and to run.
//
// What they build is never freed, as nobody tells C++ that a rule set is gone. So it is built once for each pattern, by the tag
// memoize_builders, and here; another rule set of the same rules needs no more.
func init() {
	wasilibs.RegisterPM()
	wasilibs.RegisterSQLi()
	wasilibs.RegisterXSS()
	plugins.RegisterOperator("rx", newExpression)
	plugins.RegisterOperator("pmFromFile", newPhrases)
	plugins.RegisterOperator("pmf", newPhrases)
	waf.CompileExpression = func(text string) (func(string) bool, error) {
		re, err := compile(text)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	waf.DetectSQLi = func(value string) bool {
		is, _ := libinjection.IsSQLi(value)
		return is
	}
	waf.DetectXSS = libinjection.IsXSS
}

// expression is @rx.
type expression struct {
	re *re2.Regexp
}

// expressions are by their text.
var expressions = map[string]*re2.Regexp{}

func newExpression(options plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	re, err := compile("(?sm)" + options.Arguments) // as ModSecurity's PCRE has it, and the Core Rule Set expects
	if err != nil {
		return nil, err
	}
	return &expression{re}, nil
}

func compile(text string) (*re2.Regexp, error) {
	if re := expressions[text]; re != nil {
		return re, nil
	}
	compile := re2.Compile
	if pattern.IsOfBytes(text) {
		compile = experimental.CompileLatin1
	}
	re, err := compile(text)
	if err == nil {
		expressions[text] = re
	}
	return re, err
}

// Evaluate implements plugintypes.Operator.
func (e *expression) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return e.re.MatchString(value)
	}
	match := e.re.FindStringSubmatch(value)
	for i := range min(len(match), maxGroups) {
		tx.CaptureField(i, match[i])
	}
	return len(match) > 0
}

// maxGroups is how many groups are captured, the whole match among them: as many as Coraza's own @rx.
const maxGroups = 9

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
