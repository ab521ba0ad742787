//go:build gc.custom

package main

// The Boehm collector, and with it a malloc for the C++ operators: see RATIONALE.md.
import _ "github.com/wasilibs/nottinygc"
