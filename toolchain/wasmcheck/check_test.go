package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/toolchain/wasmfile"
)

// module makes a module of one import and one export, a function called run, both of the given type.
func module(importModule, importName, importKind string, typ string) []byte {
	vector := func(s string) string { return string(rune(len(s))) + s }
	section := func(id, body string) string { return id + vector(body) }
	return []byte(wasmfile.Preamble +
		section("\x01", "\x01\x60"+typ) +
		section("\x02", "\x01"+vector(importModule)+vector(importName)+importKind) +
		section("\x03", "\x01\x00") +
		section("\x07", "\x01"+vector("run")+"\x00\x01") +
		section("\x0a", "\x01\x03\x00\x00\x0b"))
}

const (
	i32ToI32  = "\x01\x7f\x01\x7f"
	function0 = "\x00\x00" // a function of type 0
	memory    = "\x02\x00\x01"
)

func TestCheck(t *testing.T) {
	good := module("env", "proxy_done", function0, "\x00\x01\x7f")
	fine := Artifact{Exports: []string{"run"}, MaxBytes: len(good)}
	for _, test := range []struct {
		name   string
		module []byte
		want   Artifact
		faults []string
	}{
		{"good", good, fine, nil},
		{"not a module", []byte("#!/bin/sh"), fine, []string{"not a WebAssembly 1.0 module"}},
		{"cut off", good[:len(good)-1], fine, []string{"the module ends in the middle of a section"}},
		{"WASI that Envoy lacks", module("wasi_snapshot_preview1", "proc_raise", function0, i32ToI32), Artifact{Exports: []string{"run"}, MaxBytes: 1000},
			[]string{"imports wasi_snapshot_preview1.proc_raise, which stock Envoy does not implement: it would refuse the module"}},
		{"right name in the wrong module", module("wasi", "fd_close", function0, i32ToI32), Artifact{Exports: []string{"run"}, MaxBytes: 1000},
			[]string{"imports wasi.fd_close, which stock Envoy does not implement: it would refuse the module"}},
		{"wrong signature", module("env", "proxy_done", function0, i32ToI32), Artifact{Exports: []string{"run"}, MaxBytes: 1000},
			[]string{"imports env.proxy_done as i32 -> i32, but in stock Envoy it is void -> i32"}},
		{"imported memory", module("env", "memory", memory, i32ToI32), Artifact{Exports: []string{"run"}, MaxBytes: 1000},
			[]string{"imports env.memory, which is not a function"}},
		{"missing export", good, Artifact{Exports: []string{"proxy_on_tick", "run"}, MaxBytes: 1000}, []string{"does not export proxy_on_tick"}},
		{"export not wanted", good, Artifact{MaxBytes: 1000},
			[]string{"exports run, which artifacts.json does not list: Envoy calls every callback that it finds, at a cost"}},
		{"too big", good, Artifact{Exports: []string{"run"}, MaxBytes: len(good) - 1}, []string{"is 55 bytes, more than its budget of 54"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.faults, Check(test.module, test.want))
		})
	}
}

func TestReadArtifacts(t *testing.T) {
	artifacts, err := ReadArtifacts("../artifacts.json")
	require.NoError(t, err)
	require.Contains(t, artifacts, "jwt-filter")
	require.Contains(t, artifacts["jwt-filter"].Exports, "proxy_on_request_headers")

	for name, bad := range map[string]string{
		"unknown field": `{"artifacts": {"a": {"package": "a", "maxBytes": 1, "maxbites": 2}}}`,
		"no budget":     `{"artifacts": {"a": {"package": "a"}}}`,
		"no artifacts":  `{"exports": ["memory"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "artifacts.json")
			require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
			_, err := ReadArtifacts(file)
			require.Error(t, err)
		})
	}
}

func TestRunNamesWhatIsMissing(t *testing.T) {
	require.ErrorContains(t, run("../artifacts.json", t.TempDir(), "", []string{"no-such-filter"}), `no artifact "no-such-filter"`)
	require.ErrorIs(t, run("../artifacts.json", t.TempDir(), "", []string{"jwt-filter"}), os.ErrNotExist)
}
