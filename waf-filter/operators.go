//go:build tinygo.wasm

package main

import wasilibs "github.com/corazawaf/coraza-wasilibs"

// The operators that decide by large tables or automata are C++ in the module: re2, an Aho-Corasick automaton and
// libinjection, compiled to Wasm beforehand. The Go ones are correct, too, but slow to compile and to run.
func init() {
	wasilibs.RegisterRX()
	wasilibs.RegisterPM()
	wasilibs.RegisterSQLi()
	wasilibs.RegisterXSS()
}
