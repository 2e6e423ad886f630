# The balancer and its HAProxy on each client of a Nomad cluster: two tasks, so that requests go on while the balancer is replaced.

variable "registry" {
  type        = string
  default     = "registry.example.com/"
  description = "where the clients find the images, with a slash at its end"
}

variable "release" {
  type    = string
  default = "0.1.0"
}

job "panteras-balancer" {
  datacenters = ["*"]
  type        = "system"

  group "balancer" {
    task "balancer" {
      driver = "docker"

      config {
        image           = "${var.registry}panteras-box:${var.release}"
        args            = ["balancer", "--attach", "--host", "${node.unique.name}", "--run-dir", "/alloc/balancer"]
        network_mode    = "host"
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }

    task "haproxy" {
      driver = "docker"

      config {
        image        = "${var.registry}panteras-box:${var.release}"
        entrypoint   = ["sh", "-c", "until [ -s \"$0\" ]; do sleep 0.1; done; exec haproxy -W -db -S /alloc/balancer/master.sock,mode,600 -f \"$0\""]
        args         = ["/alloc/balancer/haproxy.cfg"]
        network_mode = "host"
        cap_drop     = ["all"]
        cap_add      = ["kill", "net_bind_service", "setuid", "setgid"]
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
