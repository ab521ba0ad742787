//go:build !tinygo.wasm

package waf

import (
	"regexp"

	libinjection "github.com/corazawaf/libinjection-go"
	"rsc.io/binaryregexp"

	"github.com/palisade-mesh/palisade/waf-filter/pattern"
)

// Natively the engine has its own operators, which are made of these. The module's are in its main package.
func init() {
	CompileExpression = func(text string) (func(string) bool, error) {
		if pattern.IsOfBytes(text) {
			re, err := binaryregexp.Compile(text)
			if err != nil {
				return nil, err
			}
			return re.MatchString, nil
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	DetectSQLi = func(value string) bool {
		is, _ := libinjection.IsSQLi(value)
		return is
	}
	DetectXSS = libinjection.IsXSS
}
