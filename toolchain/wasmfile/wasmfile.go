// Package wasmfile reads the outer structure of WebAssembly modules: sections, imports and exports.
//
// The format is https://webassembly.github.io/spec/core/binary/modules.html
package wasmfile

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Preamble starts every module: the magic number and version 1.
const Preamble = "\x00asm\x01\x00\x00\x00"

// Sections that this package looks into.
const (
	TypeSection   = 1
	ImportSection = 2
	ExportSection = 7
)

// Kinds of imports and exports.
const (
	Function = 0
	Table    = 1
	Memory   = 2
	Global   = 3
)

var (
	errNotModule = errors.New("not a WebAssembly 1.0 module")
	errTruncated = errors.New("the module ends in the middle of a section")
	errKind      = errors.New("import or type of an unknown kind")
)

// A Section is one section's number and content.
type Section struct {
	ID   byte
	Body []byte
}

// An Import is what a module asks of its host. Type is a function's index into the types.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint64
}

// An Export is what a module offers its host. Entry is its whole encoding.
type Export struct {
	Name  string
	Kind  byte
	Entry []byte
}

// Sections splits a module.
func Sections(module []byte) ([]Section, error) {
	if !strings.HasPrefix(string(module), Preamble) {
		return nil, errNotModule
	}
	r := reader{module[len(Preamble):]}
	var sections []Section
	for len(r.rest) > 0 {
		id, err := r.byte()
		if err != nil {
			return nil, err
		}
		body, err := r.bytes()
		if err != nil {
			return nil, err
		}
		sections = append(sections, Section{id, body})
	}
	return sections, nil
}

// Types reads the body of a type section. Each function type reads like "i32 i64 -> i32", "void" being nothing.
func Types(body []byte) ([]string, error) {
	r := reader{body}
	count, err := r.number()
	if err != nil {
		return nil, err
	}
	var types []string
	for range count {
		form, err := r.byte()
		if err != nil {
			return nil, err
		}
		if form != 0x60 {
			return nil, errKind
		}
		params, err := r.bytes()
		if err != nil {
			return nil, err
		}
		results, err := r.bytes()
		if err != nil {
			return nil, err
		}
		types = append(types, valueTypes(params)+" -> "+valueTypes(results))
	}
	return types, nil
}

func valueTypes(encoded []byte) string {
	if len(encoded) == 0 {
		return "void"
	}
	names := map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64"}
	var list []string
	for _, b := range encoded {
		name, ok := names[b]
		if !ok {
			name = "?"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// Imports reads the body of an import section.
func Imports(body []byte) ([]Import, error) {
	r := reader{body}
	count, err := r.number()
	if err != nil {
		return nil, err
	}
	var imports []Import
	for range count {
		module, err := r.bytes()
		if err != nil {
			return nil, err
		}
		name, err := r.bytes()
		if err != nil {
			return nil, err
		}
		kind, err := r.byte()
		if err != nil {
			return nil, err
		}
		var typ uint64
		if kind == Function {
			typ, err = r.number()
		} else {
			err = r.skipImportType(kind)
		}
		if err != nil {
			return nil, err
		}
		imports = append(imports, Import{string(module), string(name), kind, typ})
	}
	return imports, nil
}

// Exports reads the body of an export section.
func Exports(body []byte) ([]Export, error) {
	r := reader{body}
	count, err := r.number()
	if err != nil {
		return nil, err
	}
	var exports []Export
	for range count {
		start := r.rest
		name, err := r.bytes()
		if err != nil {
			return nil, err
		}
		kind, err := r.byte()
		if err != nil {
			return nil, err
		}
		if _, err := r.number(); err != nil {
			return nil, err
		}
		exports = append(exports, Export{string(name), kind, start[:len(start)-len(r.rest)]})
	}
	return exports, nil
}

// reader takes values off the front of rest.
type reader struct{ rest []byte }

func (r *reader) byte() (byte, error) {
	if len(r.rest) == 0 {
		return 0, errTruncated
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b, nil
}

// number reads an unsigned LEB128.
func (r *reader) number() (uint64, error) {
	value, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, errTruncated
	}
	r.rest = r.rest[n:]
	return value, nil
}

// bytes reads a length and that many bytes.
func (r *reader) bytes() ([]byte, error) {
	size, err := r.number()
	if err != nil || size > uint64(len(r.rest)) {
		return nil, errTruncated
	}
	value := r.rest[:size]
	r.rest = r.rest[size:]
	return value, nil
}

func (r *reader) skipImportType(kind byte) error {
	switch kind {
	case Table:
		if _, err := r.byte(); err != nil {
			return err
		}
		return r.skipLimits()
	case Memory:
		return r.skipLimits()
	case Global:
		if _, err := r.byte(); err != nil {
			return err
		}
		_, err := r.byte()
		return err
	}
	return errKind
}

func (r *reader) skipLimits() error {
	flags, err := r.byte()
	if err != nil {
		return err
	}
	if _, err = r.number(); err == nil && flags&1 != 0 {
		_, err = r.number()
	}
	return err
}
