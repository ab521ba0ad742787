// Package picture draws figures as horizontal bars, as SVG: to be seen in a README, on a light or a dark page.
package picture

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Chart is what is drawn, from top to bottom.
type Chart struct {
	Title    string
	Subtitle string
	Unit     string // of the bars' values
	Bars     []Bar
	Footer   []string // lines
}

// Bar is a value with a name.
type Bar struct {
	Label string
	// Value is what the bar's length shows, Low and High what the line across its end does: between which values the value was seen.
	Value, Low, High float64
	Note             string // beside the value, such as how it compares
	Kind             Kind
	// Missing is why there is no value; it takes the place of the bar.
	Missing string
}

// Kind is whose a bar is: each has a colour.
type Kind string

const (
	Ours   Kind = "ours"
	Theirs Kind = "theirs"
	Scale  Kind = "scale" // neither: what gives an idea of the others
)

// Lengths are in pixels.
const (
	width       = 900
	margin      = 24
	labelsEnd   = 270 // where the bars begin
	longest     = 300 // the bar, or line, of the greatest value; what is right of it is for notes
	titleHeight = 72  // with the subtitle
	barHeight   = 20
	barPitch    = 36
	footerPitch = 16
	gap         = 8 // between a bar and its text
)

// The page behind is unknown, so the picture has a background of its own. Viewers tell whether theirs is dark.
const style = `
    .background { fill: #ffffff; stroke: #d0d7de }
    text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .note { font-size: 12px; fill: #59636e }
    .title { font-size: 17px; font-weight: 600 }
    .quiet { fill: #59636e }
    .footer { font-size: 11px; fill: #59636e }
    .axis { stroke: #818b98 }
    .spread { stroke: #1f2328; stroke-opacity: 0.55 }
    .ours { fill: #2da44e }
    .theirs { fill: #54aeff }
    .scale { fill: #afb8c1 }
    @media (prefers-color-scheme: dark) {
      .background { fill: #0d1117; stroke: #3d444d }
      text { fill: #f0f6fc }
      .quiet, .note, .footer { fill: #9198a1 }
      .axis { stroke: #656c76 }
      .spread { stroke: #f0f6fc }
      .ours { fill: #3fb950 }
      .theirs { fill: #388bfd }
      .scale { fill: #656c76 }
    }
  `

// SVG is the chart as a document.
func (c Chart) SVG() string {
	var b strings.Builder
	height := c.height()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%s">`+"\n",
		width, height, escape(c.Title))
	fmt.Fprintf(&b, "  <style>%s</style>\n", style)
	fmt.Fprintf(&b, `  <rect class="background" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", width-1, height-1)
	text(&b, "title", margin, 34, c.Title)
	text(&b, "quiet", margin, 56, c.Subtitle)
	scale := c.scale()
	for i, bar := range c.Bars {
		bar.draw(&b, titleHeight+i*barPitch+(barPitch-barHeight)/2, scale, c.Unit)
	}
	bottom := c.bottom()
	fmt.Fprintf(&b, `  <line class="axis" x1="%d" y1="%d" x2="%[1]d" y2="%[3]d"/>`+"\n", labelsEnd, titleHeight, bottom)
	for i, line := range c.Footer {
		text(&b, "footer", margin, bottom+(i+1)*footerPitch+gap, line)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// bottom is where the bars end.
func (c Chart) bottom() int { return titleHeight + len(c.Bars)*barPitch }

func (c Chart) height() int { return c.bottom() + len(c.Footer)*footerPitch + margin }

// scale is pixels per unit.
func (c Chart) scale() float64 {
	greatest := 0.0
	for _, bar := range c.Bars {
		if bar.Missing == "" {
			greatest = max(greatest, bar.Value, bar.High)
		}
	}
	if greatest <= 0 {
		return 0
	}
	return longest / greatest
}

// draw draws at y, which is the bar's top.
func (bar Bar) draw(b *strings.Builder, y int, scale float64, unit string) {
	middle := y + barHeight/2
	baseline := middle + 5
	fmt.Fprintf(b, `  <text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelsEnd-gap, baseline, escape(bar.Label))
	if bar.Missing != "" {
		text(b, "quiet", labelsEnd+gap, baseline, bar.Missing)
		return
	}
	// What noise has made less than nothing is drawn as nothing.
	at := func(value float64) float64 { return labelsEnd + max(0, value)*scale }
	fmt.Fprintf(b, `  <rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`+"\n", bar.Kind, labelsEnd, y, at(bar.Value)-labelsEnd, barHeight)
	end := at(bar.Value)
	if bar.High > bar.Low {
		fmt.Fprintf(b, `  <line class="spread" x1="%.1f" y1="%d" x2="%.1f" y2="%[2]d"/>`+"\n", at(bar.Low), middle, at(bar.High))
		end = max(end, at(bar.High))
	}
	fmt.Fprintf(b, `  <text x="%.1f" y="%d">%s <tspan class="note">%s</tspan></text>`+"\n", end+gap, baseline,
		escape(fmt.Sprintf("%.1f %s", bar.Value, unit)), escape(bar.Note))
}

func text(b *strings.Builder, class string, x, y int, content string) {
	fmt.Fprintf(b, `  <text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, y, escape(content))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
