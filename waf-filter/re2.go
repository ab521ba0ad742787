//go:build tinygo.wasm

package main

/*
#include <stdint.h>

void* cre2_new(void* pattern, int pattern_len, void* opts);
void cre2_delete(void* re);
int cre2_error_code(void* re);
void* cre2_opt_new();
void cre2_opt_delete(void* opts);
void cre2_opt_set_log_errors(void* opt, int flag);
void cre2_opt_set_latin1_encoding(void* opt);
void cre2_opt_set_max_mem(void* opt, int64_t size);
*/
import "C"

import (
	"unsafe"

	"github.com/wasilibs/go-re2"
	"github.com/wasilibs/go-re2/experimental"
)

// maxExpressionMemory is how many bytes an expression may have for itself and the states of its automaton, which RE2 makes when an
// input leads to them, and keeps. go-re2 gives each 128 MB, of which the hundreds of the Core Rule Set share 1 GiB: whoever sends
// inputs of many kinds for long enough would end the VM.
const maxExpressionMemory = 2 << 20

// compileExpression compiles an expression with bounded memory. One that is too large for that has go-re2's.
func compileExpression(text string, latin1 bool) (*re2.Regexp, error) {
	compile := re2.Compile
	if latin1 {
		compile = experimental.CompileLatin1
	}
	re, err := compile(text)
	if err != nil {
		return nil, err
	}
	options := C.cre2_opt_new()
	defer C.cre2_opt_delete(options)
	C.cre2_opt_set_max_mem(options, maxExpressionMemory)
	C.cre2_opt_set_log_errors(options, 0)
	if latin1 {
		C.cre2_opt_set_latin1_encoding(options)
	}
	bounded := C.cre2_new(unsafe.Pointer(unsafe.StringData(text)), C.int(len(text)), options)
	if C.cre2_error_code(bounded) != 0 {
		C.cre2_delete(bounded)
		return re, nil
	}
	// go-re2 has no such option, and its expression begins with the address of RE2's.
	address := (*unsafe.Pointer)(unsafe.Pointer(re))
	C.cre2_delete(*address)
	*address = bounded
	return re, nil
}
