package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/urfave/cli/v3"

	"github.com/palisade-mesh/palisade/palisade-filter/palisade"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/serviceconfig"
)

// limits are how to read a filter's limits of its configuration, nil if it has none.
var limits = map[string]func([]byte) (*ratelimit.Config, error){
	"ratelimit-filter": ratelimit.Decode,
	"palisade-filter": func(raw []byte) (*ratelimit.Config, error) {
		c, err := palisade.Decode(raw)
		if err != nil {
			return nil, err
		}
		return c.RateLimit, nil
	},
}

const limitFilterNames = "ratelimit-filter or palisade-filter"

func renderCommand() *cli.Command {
	return &cli.Command{
		Name:     "render",
		Usage:    "write what others need to know of a configuration",
		Commands: []*cli.Command{renderRateLimitServiceCommand()},
	}
}

func renderRateLimitServiceCommand() *cli.Command {
	var filter string
	return &cli.Command{
		Name:      "ratelimit-service",
		Usage:     "the configuration of Envoy's rate limit service for the global limits of a ratelimit-filter or palisade-filter",
		ArgsUsage: "FILE (YAML or JSON; - is standard input)",
		Flags: []cli.Flag{&cli.StringFlag{
			Name: "filter", Aliases: []string{"f"}, Destination: &filter,
			Usage: limitFilterNames + "; by default the one whose fields the document has",
		}},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 {
				return errors.New("render ratelimit-service: name one file, or - for standard input")
			}
			if filter != "" && limits[filter] == nil {
				return fmt.Errorf("render ratelimit-service: -f %s: expected %s", filter, limitFilterNames)
			}
			return renderRateLimitService(c, filter, c.Args().First())
		},
	}
}

func renderRateLimitService(c *cli.Command, filter, name string) error {
	source, err := read(name, c.Root().Reader)
	if err != nil {
		return err
	}
	if filter == "" {
		filter = filterWithLimits(source)
	}
	mistakes := func() error { return check(c.Root().ErrWriter, name, source, decoders[filter], false) } // as check says them
	document, err := yaml.YAMLToJSON(source)
	if err != nil {
		return mistakes()
	}
	config, err := limits[filter](document)
	if err != nil {
		return mistakes()
	}
	if config == nil {
		return errors.New("render ratelimit-service: " + name + ": the configuration has no section ratelimit")
	}
	rendered, err := serviceconfig.YAML(config)
	if err != nil {
		return errors.New("render ratelimit-service: " + name + ": " + err.Error())
	}
	_, err = c.Root().Writer.Write(rendered)
	return err
}

// filterWithLimits is the filter that a document is for: palisade-filter's has sections, of which no other filter has a field.
func filterWithLimits(source []byte) string {
	var fields map[string]any
	if yaml.Unmarshal(source, &fields) == nil {
		for _, section := range []string{"jwt", "authz", "ratelimit"} {
			if _, is := fields[section]; is {
				return "palisade-filter"
			}
		}
	}
	return "ratelimit-filter"
}
