package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v3"

	"github.com/palisade-mesh/palisade/authz-filter/authz"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
	"github.com/palisade-mesh/palisade/palisade-filter/palisade"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// errMistakes is a configuration with mistakes, each of which has been printed.
var errMistakes = errors.New("the configuration has mistakes")

// decoders are the filters' own, so that what is checked here is what runs in the proxy.
var decoders = map[string]func([]byte) error{
	"jwt-filter":       func(raw []byte) error { _, err := jwt.Decode(raw); return err },
	"authz-filter":     func(raw []byte) error { _, err := authz.Decode(raw); return err },
	"ratelimit-filter": func(raw []byte) error { _, err := ratelimit.Decode(raw); return err },
	"palisade-filter":  func(raw []byte) error { _, err := palisade.Decode(raw); return err },
	"waf-filter":       checkWAF,
}

const filterNames = "jwt-filter, authz-filter, ratelimit-filter, palisade-filter or waf-filter"

// checkWAF has the engine read the directives, too.
func checkWAF(raw []byte) error {
	c, err := waf.Decode(raw)
	if err == nil {
		_, err = waf.Compile(c)
	}
	return err
}

func checkCommand() *cli.Command {
	var filter, output string
	return &cli.Command{
		Name:      "check",
		Usage:     "say what is wrong with a configuration, as the filter would at start",
		ArgsUsage: "FILE (YAML or JSON; - is standard input)",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "filter", Aliases: []string{"f"}, Usage: filterNames, Required: true, Destination: &filter},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "text or json", Value: "text", Destination: &output},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return errors.New("check: name one file, or - for standard input")
			}
			if output != "text" && output != "json" {
				return fmt.Errorf("check: -o %s: expected text or json", output)
			}
			decode := decoders[filter]
			if decode == nil {
				return fmt.Errorf("check: -f %s: expected %s", filter, filterNames)
			}
			name := c.Args().First()
			source, err := read(name, c.Root().Reader)
			if err != nil {
				return err
			}
			return check(c.Root().Writer, name, source, decode, output == "json")
		},
	}
}

func read(name string, stdin io.Reader) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	if stdin == nil {
		stdin = os.Stdin
	}
	return io.ReadAll(stdin)
}

// finding is a mistake with its place in the source.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// check prints `file:line:col: message` for each mistake.
func check(w io.Writer, name string, source []byte, decode func([]byte) error, asJSON bool) error {
	findings := []finding{}
	document, err := yaml.YAMLToJSON(source)
	if err != nil {
		line, column := syntaxPosition(err)
		findings = append(findings, finding{name, line, column, "$", yaml.FormatError(err, false, false)})
	} else if err := decode(document); err != nil {
		var mistakes config.Mistakes
		if !errors.As(err, &mistakes) {
			return err
		}
		for _, m := range mistakes {
			line, column := position(source, m.Path)
			findings = append(findings, finding{name, line, column, m.Path, m.What})
		}
	}
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(w, "%s:%d:%d: %s: %s\n", f.File, f.Line, f.Column, f.Path, f.Message)
		}
	}
	if len(findings) > 0 {
		return errMistakes
	}
	return nil
}
