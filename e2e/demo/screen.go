package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/e2e/mesh"
)

const topology = `
              TLS           mTLS             mTLS            mTLS
    internet ─────▶ gateway ─────▶ frontend ─────▶ backend ─────▶ database
                    [Envoy]        [Envoy]         [Envoy]        [Envoy]

    In every Envoy: jwt-filter (whose request is it?), then authz-filter (may
    this workload do this, for this user?). Tokens: an identity provider.

`

// screen prints the walk. Colours are for people: they are left out where the
// output is not a terminal, and where NO_COLOR is set.
type screen struct {
	out    io.Writer
	colour bool
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{out: out, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
)

func (s *screen) paint(style, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (s *screen) title() {
	s.printf("%s\n", s.paint(bold, "Palisade: a user's token and a workload's identity, decided together in stock Envoy"))
	s.printf(topology)
	s.printf("The database's policy:\n\n")
	for line := range strings.Lines(mesh.FlagshipPolicy()) {
		s.printf("    %s", s.paint(dim, strings.TrimSuffix(line, "\n"))+"\n")
	}
	s.printf("\nStarting four Envoys, three services and an identity provider ... ")
}

func (s *screen) started(took time.Duration) {
	s.printf("ready after %s.\n\n", took.Round(100*time.Millisecond))
}

// step prints a numbered request in three lines: the story, the decision, the
// reason.
func (s *screen) step(number int, r *mesh.Result) {
	verdict := s.paint(green, "as expected")
	if !r.OK() {
		verdict = s.paint(red, "SURPRISE")
	}
	s.printf("%2d  %s\n", number, s.paint(bold, r.Story))
	s.printf("    %-22s %-26s expected %-10s actual %s %s\n",
		route(r.Step), r.Method+" "+r.Path, brief(r.Want), s.effect(r.Got), verdict)
	s.printf("    %s\n", s.paint(dim, because(r)))
	for _, problem := range r.Problems {
		s.printf("    %s %s\n", s.paint(red, "!"), problem)
	}
	s.printf("\n")
}

// route is who calls whom.
func route(step mesh.Step) string {
	from := step.As
	switch {
	case step.To == mesh.Gateway:
		from = "internet"
	case step.As == mesh.None:
		from = "(nobody)"
	case step.As == mesh.Stale:
		from = "(backend)"
	}
	return from + " → " + step.To
}

func brief(o mesh.Outcome) string {
	if o.Effect == "" {
		return fmt.Sprintf("? %d", o.Status)
	}
	if o.Status == 0 {
		return o.Effect + " TLS"
	}
	return fmt.Sprintf("%s %d", o.Effect, o.Status)
}

func (s *screen) effect(o mesh.Outcome) string {
	colour := red
	if o.Effect == "allow" {
		colour = green
	}
	return s.paint(colour, fmt.Sprintf("%-10s", brief(o)))
}

func because(r *mesh.Result) string {
	where := r.To
	if r.Decider != "" {
		where = r.Decider
	}
	if r.Got.By == "" {
		return "no decision record at " + where
	}
	text := fmt.Sprintf("%s at %s", r.Got.By, where)
	if r.Policy != "" {
		text += ", policy " + r.Policy
	}
	return text + ": " + r.Reason
}

func (s *screen) summary(total, failed int, took time.Duration) {
	if failed == 0 {
		s.printf("%s in %s.\n", s.paint(green, fmt.Sprintf("All %d decisions were as expected", total)), took.Round(100*time.Millisecond))
		return
	}
	s.printf("%s\n", s.paint(red, fmt.Sprintf("%d of %d decisions were NOT as expected: see the steps marked SURPRISE.", failed, total)))
}
