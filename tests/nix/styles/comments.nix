# inputs.home.url = "github:acme/home/release-25.11";
{
  # The comments here look like what is read.
  inputs = { # inputs.nixpkgs.follows = "nixpkgs"; }
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"; # nixos-25.11 }; "
    /* home.url = "github:acme/other/release-25.11"; */
    home.url = "github:acme/home/release-25.11"; /* }; */ # ''
    # home.inputs.nixpkgs.follows = "nixpkgs";
    tools = { # { tools
      # url = "github:acme/tools/old";
      url = "github:acme/tools/main"; # "github:acme/tools/dev"
      /*
        inputs.nixpkgs.follows = "nixpkgs";
      */
    }; # tools }
    last.url = "github:acme/last/main"; /* goes
      on */
    # the last comment before the brace
  };
  outputs = _: { }; # inputs.last.follows = "home";
}
# }
