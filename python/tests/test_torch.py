"""Training steps, states and the noise scale with PyTorch."""

import importlib.util
import io
import math
import random
import unittest

from worker import Worker, document

import jobctl

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    import torch
    from torch.nn import functional as F

    import jobctl.torch
    from jobctl.torch import GradientNoise, load_state, save_state, seed_everything, train_step


def network(seed=0, dropout=0.0, norm=True):
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU()]
    layers += [torch.nn.Dropout(dropout), torch.nn.Linear(6, 3)]
    return torch.nn.Sequential(*(layers if norm else layers[:1] + layers[2:]))


def data(samples=8):
    generator = torch.Generator().manual_seed(9)
    x = torch.randn(samples, 5, generator=generator)
    return x, torch.arange(samples) % 3


def bits(model):
    return [tensor.clone() for tensor in model.state_dict().values()]


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class StepTests(unittest.TestCase):
    def setUp(self):
        self.x, self.y = data()
        self.update = next(iter(jobctl.Stage(document()).updates()))

    def step(self, model, optimizer, noise=None):
        def loss_of(indices):
            return F.cross_entropy(model(self.x[indices]), self.y[indices])

        return train_step(self.update, model, optimizer, loss_of, noise)

    def test_the_gradient_is_that_of_the_whole_update(self):
        model, twin = network(norm=False), network(norm=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=9, momentum=0.1, weight_decay=0.01)
        # Left over from something else.
        model[0].weight.grad = torch.ones_like(model[0].weight)
        loss = self.step(model, optimizer)
        whole = F.cross_entropy(twin(self.x[self.update.indices]), self.y[self.update.indices])
        whole.backward()
        torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01).step()
        self.assertAlmostEqual(loss, whole.item(), places=6)
        for a, b in zip(bits(model), bits(twin)):
            torch.testing.assert_close(a, b)
        self.assertEqual(optimizer.param_groups[0]["lr"], 0.1)
        self.assertEqual(optimizer.param_groups[0]["momentum"], 0.9)

    def test_batch_norm_sees_a_ghost_batch_at_a_time(self):
        model, twin = network(), network()
        model.eval()
        optimizer = torch.optim.SGD(model.parameters(), lr=1)
        self.step(model, optimizer)
        first, second = self.update.ghosts
        loss = sum(F.cross_entropy(twin(self.x[g]), self.y[g]) for g in (first, second)) / 2
        loss.backward()
        for own, other in zip(model.parameters(), twin.parameters()):
            torch.testing.assert_close(own.grad, other.grad)
        torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)
        mean = twin[0](self.x[second]).mean(0)
        self.assertFalse(torch.allclose(mean, twin[0](self.x[first]).mean(0)))

    def test_the_noise_scale_costs_the_update_nothing(self):
        models = [network(), network()]
        noise = GradientNoise()
        losses = [
            self.step(m, torch.optim.SGD(m.parameters(), lr=1, momentum=0.9), n)
            for m, n in zip(models, (None, noise))
        ]
        self.assertEqual(losses[0], losses[1])
        self.assertTrue(all(map(torch.equal, bits(models[0]), bits(models[1]))))
        self.assertEqual(noise.estimates, 1)

    def test_optimizers_without_momentum_and_frozen_parameters_are_taken(self):
        for noise in (None, GradientNoise()):
            model = network()
            model[0].weight.requires_grad_(False)
            before = bits(model)
            optimizer = torch.optim.Adam(model.parameters())
            self.step(model, optimizer, noise)
            self.assertTrue(torch.equal(before[0], model[0].weight))
            self.assertFalse(torch.equal(before[1], model[0].bias))
            self.assertEqual(optimizer.param_groups[0]["lr"], 0.1)
            self.assertNotIn("momentum", optimizer.param_groups[0])

    def test_a_loss_that_is_not_finite_stays_so(self):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1)
        self.x[self.update.indices[0]] = float("inf")
        self.assertTrue(math.isnan(self.step(model, optimizer)))
        self.x, self.y = data()
        self.assertTrue(math.isnan(self.step(model, optimizer)))


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class NoiseTests(unittest.TestCase):
    def test_estimates_agree_with_a_known_distribution(self):
        """Gradients of samples are normal with this mean and variance, coordinate by coordinate."""
        generator = torch.Generator().manual_seed(4)
        mean, deviation = torch.tensor([0.5, -0.2, 0.1]), torch.tensor([1.0, 2.0, 0.5])
        weights = torch.nn.Parameter(torch.zeros(3))
        noise = GradientNoise()
        stage = jobctl.Stage(
            document(
                samples_per_epoch=64, batch=64, ghost=8,
                end={"samples": 64 * 3000, "updates": 3000}, learning_rates=[[3000, 1e-9]],
            )
        )
        model = torch.nn.Module()
        model.weights = weights
        optimizer = torch.optim.SGD([weights], lr=1)
        stage.indices = lambda start, end: list(range(end - start))

        def loss_of(indices):
            x = mean + deviation * torch.randn(len(indices), 3, generator=generator)
            return (x @ weights).mean()

        for update in stage.updates():
            train_step(update, model, optimizer, loss_of, noise)
        self.assertEqual(noise.estimates, 3000)
        self.assertAlmostEqual(noise.gradient_square / 0.30, 1, delta=0.05)
        self.assertAlmostEqual(noise.gradient_variance / 5.25, 1, delta=0.03)
        self.assertAlmostEqual(noise.noise_scale / 17.5, 1, delta=0.06)

    def test_formulas(self):
        noise = GradientNoise()
        self.assertIsNone(noise.noise_scale)
        self.assertIsNone(noise.gradient_square)
        noise.add([4.0], 4.0, 16)
        self.assertEqual(noise.estimates, 0)
        # b = 10, B = 20: |G|^2 = (20 * 3 - 10 * 4) / 10, tr = (4 - 3) / (1 / 10 - 1 / 20).
        noise.add([3.0, 5.0], 3.0, 10)
        self.assertAlmostEqual(noise.gradient_square, 2)
        self.assertAlmostEqual(noise.gradient_variance, 20)
        self.assertAlmostEqual(noise.noise_scale, 10)
        other = GradientNoise()
        other.load_state_dict(noise.state_dict())
        self.assertEqual(other.noise_scale, noise.noise_scale)
        noise.reset()
        noise.add([10.0, 10.0], 1.0, 10)
        self.assertLess(noise.gradient_square, 0)
        self.assertIsNone(noise.noise_scale)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class StateTests(unittest.TestCase):
    def setUp(self):
        self.x, self.y = data()

    def state(self, *arguments, **extra):
        file = io.BytesIO()
        save_state(*arguments, **extra)(file)
        return file.getvalue()

    def test_at_the_start_nothing_changes(self):
        model = network()
        before = bits(model)
        state = torch.get_rng_state()
        stage = Worker(self).stage()
        self.assertIsNone(load_state(stage, model, torch.optim.SGD(model.parameters(), lr=1)))
        self.assertTrue(all(map(torch.equal, before, bits(model))))
        self.assertTrue(torch.equal(state, torch.get_rng_state()))

    def test_generators_and_extra_come_back(self):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1, momentum=0.5)
        seed_everything(5)
        self.addCleanup(torch.use_deterministic_algorithms, False)
        extra = {"losses": [1.5, 2.5], "best": (3, None, True), "k": {"a": 1}}
        extra["mean"] = torch.ones(2)
        draws = [lambda: random.gauss(0, 1), lambda: torch.rand(3).tolist()]
        if importlib.util.find_spec("numpy"):
            import numpy

            draws.append(lambda: numpy.random.normal())
        for draw in draws:
            draw()
        content = self.state(model, optimizer, **extra)
        expected = [draw() for draw in draws]
        seed_everything(6)
        stage = Worker(self, checkpoint=content, resume={"samples": 4, "updates": 1}).stage()
        found = load_state(stage, network(1), optimizer)
        self.assertEqual([draw() for draw in draws], expected)
        self.assertTrue(torch.equal(found.pop("mean"), extra.pop("mean")))
        self.assertEqual(found, extra)

    def test_what_loading_would_refuse_is_not_saved(self):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1)
        for extra, place in [
            ({"a": [1, {2}]}, r"extra\['a'\]\[1\] is a set"),
            ({"noise": GradientNoise()}, r"extra\['noise'\] is a GradientNoise"),
        ]:
            with self.assertRaisesRegex(TypeError, place):
                save_state(model, optimizer, **extra)

    def test_states_of_another_origin_are_refused(self):
        file = io.BytesIO()
        torch.save({"model": {}}, file)
        stage = Worker(self, checkpoint=file.getvalue()).stage()
        with self.assertRaisesRegex(jobctl.ContractError, "not written by jobctl.torch"):
            load_state(stage, network(), torch.optim.SGD(network().parameters(), lr=1))

    def trained(self, drains):
        """The losses and the final bits of 60 updates. A drain comes after each of these numbers of
        updates; every attempt starts from other weights and generators."""
        settings = {
            "end": {"samples": 240, "updates": 60},
            "learning_rates": [[20, 0.1], [40, 0.05]],
        }
        content, samples, attempt = None, 0, 0
        while True:
            resume = {"samples": samples, "updates": samples // 4} if content else None
            worker = Worker(self, checkpoint=content, resume=resume, **settings)
            stage = worker.stage()
            seed_everything(attempt)
            self.addCleanup(torch.use_deterministic_algorithms, False)
            model = network(attempt, dropout=0.3)
            optimizer = torch.optim.SGD(model.parameters(), lr=1, momentum=0.1, nesterov=True)
            noise = GradientNoise()
            extra = load_state(stage, model, optimizer) or {"losses": [], "noise": None}
            losses = extra["losses"]
            if extra["noise"]:
                noise.load_state_dict(extra["noise"])

            def save():
                return save_state(model, optimizer, losses=losses, noise=noise.state_dict())

            def loss_of(indices):
                x = self.x[indices] * random.uniform(0.9, 1.1) + 0.1 * torch.randn(5)
                return F.cross_entropy(model(x), self.y[indices])

            try:
                for update in stage.updates(save=save):
                    losses.append(train_step(update, model, optimizer, loss_of, noise))
                    if len(losses) in drains:
                        worker.send("drain")
            except SystemExit:
                (message,) = worker.messages("checkpoint")
                content, samples = worker.content(message), message["samples"]
                attempt += 1
                continue
            self.assertEqual(attempt, len(drains))
            return losses, noise.state_dict(), bits(model)

    def test_twenty_interruptions_change_no_bit(self):
        whole = self.trained(drains=[])
        interrupted = self.trained(drains=random.Random(1).sample(range(1, 60), 20))
        self.assertEqual(whole[0], interrupted[0])
        self.assertEqual(whole[1], interrupted[1])
        self.assertTrue(all(map(torch.equal, whole[2], interrupted[2])))

    @unittest.skipUnless(HAS_TORCH and torch.cuda.is_available(), "there is no CUDA device")
    def test_generators_of_devices_come_back(self):
        model = network().cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=1)
        torch.rand(3, device="cuda")
        content = self.state(model, optimizer)
        expected = torch.rand(3, device="cuda")
        torch.rand(7, device="cuda")
        stage = Worker(self, checkpoint=content, resume={"samples": 4, "updates": 1}).stage()
        load_state(stage, model, optimizer)
        self.assertTrue(torch.equal(torch.rand(3, device="cuda"), expected))


if __name__ == "__main__":
    unittest.main()
