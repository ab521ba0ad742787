package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/toolchain/wasmfile"
)

// Strip returns the module with only the named exports, in their old order. Every name must be exported: a
// misspelled one would otherwise be found out only by Envoy not calling it.
func Strip(module []byte, keep []string) ([]byte, error) {
	sections, err := wasmfile.Sections(module)
	if err != nil {
		return nil, err
	}
	missing := slices.Clone(keep)
	out := []byte(wasmfile.Preamble)
	for _, section := range sections {
		body := section.Body
		if section.ID == wasmfile.ExportSection {
			exports, err := wasmfile.Exports(body)
			if err != nil {
				return nil, err
			}
			exports = slices.DeleteFunc(exports, func(e wasmfile.Export) bool { return !slices.Contains(keep, e.Name) })
			body = binary.AppendUvarint(nil, uint64(len(exports)))
			for _, e := range exports {
				body = append(body, e.Entry...)
				missing = slices.DeleteFunc(missing, func(name string) bool { return name == e.Name })
			}
		}
		out = append(out, section.ID)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("does not export %s", strings.Join(missing, ", "))
	}
	return out, nil
}
