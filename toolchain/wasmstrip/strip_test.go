package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/toolchain/wasmfile"
)

// module has one function exported as "one" and "two", and its memory as "memory".
const module = wasmfile.Preamble +
	"\x01\x04\x01\x60\x00\x00" + // one type: no parameters, no results
	"\x03\x02\x01\x00" + // one function of that type
	"\x05\x03\x01\x00\x01" + // one memory of one page
	"\x07\x16\x03" + "\x03one\x00\x00" + "\x03two\x00\x00" + "\x06memory\x02\x00" +
	"\x0a\x04\x01\x02\x00\x0b" // its body: end

func TestStripKeepsOnlyTheNamed(t *testing.T) {
	stripped, err := Strip([]byte(module), []string{"memory", "two"})
	require.NoError(t, err)
	require.Equal(t, wasmfile.Preamble+
		"\x01\x04\x01\x60\x00\x00"+
		"\x03\x02\x01\x00"+
		"\x05\x03\x01\x00\x01"+
		"\x07\x10\x02"+"\x03two\x00\x00"+"\x06memory\x02\x00"+
		"\x0a\x04\x01\x02\x00\x0b", string(stripped))
}

func TestStripNamesWhatIsNotExported(t *testing.T) {
	_, err := Strip([]byte(module), []string{"memory", "three"})
	require.EqualError(t, err, "does not export three")
}

func TestStripRefusesBrokenModules(t *testing.T) {
	for name, broken := range map[string]string{
		"not a module":      "#!/bin/sh\n",
		"empty":             "",
		"truncated section": module[:len(module)-1],
		"truncated entry":   wasmfile.Preamble + "\x07\x05\x01\x03one",
		"overlong size":     wasmfile.Preamble + "\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Strip([]byte(broken), []string{"memory"})
			require.Error(t, err)
		})
	}
}
