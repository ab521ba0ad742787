package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// element is one of a document, with its attributes and all the text in it.
type element struct {
	name       string
	attributes map[string]string
	text       string
}

func (e *element) number(t *testing.T, attribute string) float64 {
	value, err := strconv.ParseFloat(e.attributes[attribute], 64)
	require.NoError(t, err, "%s of %s", attribute, e.name)
	return value
}

// elements reads a document; it must be well-formed.
func elements(t *testing.T, document string) []*element {
	t.Helper()
	var all, open []*element
	d := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Empty(t, open)
			return all
		}
		require.NoError(t, err, document)
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attributes: map[string]string{}}
			for _, a := range token.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, e := range open {
				e.text += string(token)
			}
		}
	}
}

func find(all []*element, name, class string) (found []*element) {
	for _, e := range all {
		if e.name == name && e.attributes["class"] == class {
			found = append(found, e)
		}
	}
	return found
}

func TestLengths(t *testing.T) {
	all := elements(t, Chart{Unit: "s", Bars: []Bar{
		{Label: "a", Value: 50, Kind: Theirs, Note: "half"},
		{Label: "b", Value: 80, Low: 60, High: 100, Kind: Ours},
		{Label: "c", Value: 25, Kind: Ours},
	}}.SVG())
	theirs, ours, spreads := find(all, "rect", "theirs"), find(all, "rect", "ours"), find(all, "line", "spread")
	require.Len(t, theirs, 1)
	require.Len(t, ours, 2)
	require.Len(t, spreads, 1, "only where there is a spread")
	assert.Equal(t, 0.5*longest, theirs[0].number(t, "width"))
	assert.Equal(t, 0.8*longest, ours[0].number(t, "width"))
	assert.Equal(t, 0.25*longest, ours[1].number(t, "width"))
	assert.Equal(t, labelsEnd+0.6*longest, spreads[0].number(t, "x1"))
	assert.EqualValues(t, labelsEnd+longest, spreads[0].number(t, "x2"))
	assert.Less(t, ours[0].number(t, "y"), ours[1].number(t, "y"))
	var values []string
	for _, e := range find(all, "text", "") {
		if e.attributes["text-anchor"] == "" {
			values = append(values, e.text)
		}
	}
	assert.Equal(t, []string{"50.0 s half", "80.0 s ", "25.0 s "}, values)
}

func TestNoise(t *testing.T) {
	for name, c := range map[string]struct {
		bars   []Bar
		widths []float64
		said   []string
	}{
		"no bars":        {},
		"missing":        {bars: []Bar{{Value: 1000, Missing: "not measured"}, {Value: 1}}, widths: []float64{longest}, said: []string{"not measured"}},
		"all missing":    {bars: []Bar{{Missing: "not measured"}, {Missing: "too noisy"}}, said: []string{"not measured", "too noisy"}},
		"less than zero": {bars: []Bar{{Value: -3, Low: -5, High: -1}, {Value: 1}}, widths: []float64{0, longest}},
		"zero":           {bars: []Bar{{}}, widths: []float64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.bars {
				c.bars[i].Kind = Ours
			}
			all := elements(t, Chart{Bars: c.bars}.SVG())
			var widths []float64
			for _, e := range find(all, "rect", "ours") {
				widths = append(widths, e.number(t, "width"))
			}
			assert.Equal(t, c.widths, widths)
			var said []string
			for _, e := range find(all, "text", "quiet")[1:] { // the first is the subtitle
				said = append(said, e.text)
			}
			assert.Equal(t, c.said, said)
			for _, e := range find(all, "line", "spread") {
				assert.GreaterOrEqual(t, e.number(t, "x1"), float64(labelsEnd))
			}
		})
	}
}

func TestEscapes(t *testing.T) {
	const evil = `<b>&"'</b>]]>`
	all := elements(t, Chart{
		Title: evil, Subtitle: evil, Unit: evil, Footer: []string{evil},
		Bars: []Bar{{Label: evil, Value: 1, Note: evil}, {Label: evil, Missing: evil}},
	}.SVG())
	count := 0
	for _, e := range all {
		assert.NotEqual(t, "b", e.name)
		if e.name == "text" || e.name == "tspan" {
			assert.Contains(t, e.text, evil)
			count++
		}
	}
	assert.Equal(t, 8, count)
	assert.Equal(t, evil, all[0].attributes["aria-label"])
}

func TestHeight(t *testing.T) {
	c := Chart{Bars: make([]Bar, 3), Footer: []string{"one", "two"}}
	all := elements(t, c.SVG())
	height := all[0].number(t, "height")
	assert.EqualValues(t, c.height(), height)
	for _, e := range all {
		if e.name == "text" {
			assert.Less(t, e.number(t, "y"), height)
		}
	}
}
