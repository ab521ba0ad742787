// Command wasmstrip removes exports from a WebAssembly module.
//
//	wasmstrip -keep proxy_on_request_headers,memory in.wasm out.wasm
//
// The functions behind removed exports stay in the module until an optimizer finds that nothing reaches them.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	keep := flag.String("keep", "", "exports to keep, separated by commas; all of them must be there")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: wasmstrip -keep NAME,... IN.wasm OUT.wasm")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || *keep == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), strings.Split(*keep, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "wasmstrip:", err)
		os.Exit(1)
	}
}

func run(in, out string, keep []string) error {
	module, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	stripped, err := Strip(module, keep)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return os.WriteFile(out, stripped, 0o644)
}
