package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/bench/picture"
)

func TestDrawnScenariosExist(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenarios() {
		names[s.name] = true
	}
	for _, d := range drawnScenarios {
		assert.True(t, names[d.name], d.name)
		assert.Contains(t, usual, d.name, "make bench draws what it measures")
	}
	for _, reference := range drawnReferences {
		assert.True(t, names[reference.name], reference.name)
	}
}

// rowReport has one scenario that is lost in the noise, and lacks one.
func rowReport() *report {
	return &report{
		conditions: conditions{Date: "2026-01-02", Envoy: "1.40.0", CPUs: 2, LoadBefore: "0.10", LoadAfter: "1.20", Rounds: 3, Seconds: 1},
		Scenarios: []row{
			{Name: baseline},
			{Name: "empty", Added: spread{-1, -2, 3}},
			{Name: "native-row", Added: spread{60, 50, 70}},
			{Name: "native-row-cached", Added: spread{15, 14, 16}},
			{Name: "palisade-cached", Added: spread{30, 28, 33}},
			{Name: "palisade-cached-10000", Added: spread{33, 30, 36}},
		},
		Ratios: []ratio{
			{Of: "palisade-cached", By: "native-row", spread: spread{0.5, 0.4, 0.6}},
			{Of: "palisade-cached", By: "native-row-cached", spread: spread{2, 1.9, 2.1}},
			{Of: "palisade-cached", By: "row-cached", Noise: true},
			{Of: "palisade-cached-10000", By: "palisade-cached", Noise: true},
		},
	}
}

func TestChart(t *testing.T) {
	assert.Equal(t, []picture.Bar{
		{Label: "native filters, token not cached", Kind: picture.Theirs, Value: 60, Low: 50, High: 70},
		{Label: "native filters, cached", Kind: picture.Theirs, Value: 15, Low: 14, High: 16},
		{Label: "jwt-, authz- and ratelimit-filter", Kind: picture.Ours, Missing: "not measured"},
		{Label: "palisade-filter", Kind: picture.Ours, Value: 30, Low: 28, High: 33, Note: "2.00× native cached, 0.50× not cached"},
		{Label: "palisade-filter, 10,000 policies", Kind: picture.Ours, Value: 33, Low: 30, High: 36},
		{Label: "a Wasm filter that does nothing", Kind: picture.Scale, Missing: "too noisy"},
	}, rowReport().chart().Bars)
	text := rowReport().chart().SVG()
	for _, condition := range []string{"Envoy 1.40.0", "2026-01-02", "3 rounds of 1 s", "load average 0.10 before, 1.20 after", "make bench"} {
		assert.Contains(t, text, condition)
	}
}

func TestWritePicture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bench.svg")
	require.NoError(t, writePicture(&report{Scenarios: []row{{Name: baseline}, {Name: "empty"}}}, file))
	assert.NoFileExists(t, file, "there is nothing to compare")
	require.NoError(t, writePicture(rowReport(), file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, rowReport().chart().SVG(), string(text))
}
